import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { surveyTexts } from "../../../src/backend/service/textHandlers";
import { temporaryFolder, writeFiles } from "../data/fixtures";

test("the kind of text with the most bytes is proposed, never experiments, runs and what git ignores", async () => {
  const folder = temporaryFolder();
  await writeFiles(folder, {
    "a.txt": "x".repeat(100),
    "sub/b.txt": "x".repeat(50),
    "readme.md": "x".repeat(120),
    "large.lathe.md": "x".repeat(1000),
    ".lathe/runs/r/notes.md": "x".repeat(1000),
    "out/c.md": "x".repeat(1000),
    ".gitignore": "out\n",
    "main.py": "x".repeat(5000),
  });
  execFileSync("git", ["-C", folder, "init", "-q"]);
  expect(await surveyTexts(folder)).toEqual({
    pattern: "**/*.txt",
    files: 2,
    names: ["a.txt", "sub/b.txt"],
    bytes: 150,
  });
});

test("code is proposed where there is no prose, and an empty folder has no files", async () => {
  const folder = temporaryFolder();
  expect(await surveyTexts(folder)).toEqual({ pattern: "**/*.txt", files: 0, names: [], bytes: 0 });
  await writeFiles(folder, { "main.py": "print()", "b.rs": "fn" });
  expect(await surveyTexts(folder)).toMatchObject({ pattern: "**/*.py", files: 1, bytes: 7 });
});
