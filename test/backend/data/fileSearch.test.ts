/** Which files a pattern reads: each once, and neither experiments nor what git ignores. */
import { spawnSync } from "node:child_process";
import { link, mkdir, rm, symlink } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { findFiles } from "../../../src/backend/data/files";
import { failureOf, openIn, readDocuments, temporaryFolder, writeFiles } from "./fixtures";

describe("each file is read once", () => {
  test("through links, loops of links and patterns that overlap", async () => {
    const folder = temporaryFolder();
    await mkdir(path.join(folder, "d"));
    await writeFiles(folder, { "d/a.txt": "first", "d/b.txt": "second" });
    await symlink(".", path.join(folder, "d", "self"));
    await symlink("..", path.join(folder, "d", "up"));
    await symlink("d/a.txt", path.join(folder, "0.txt"));
    await link(path.join(folder, "d", "b.txt"), path.join(folder, "d", "c.txt"));
    const { documents } = await readDocuments(
      {},
      { text: ["**/*.txt", "d/*.txt", "d/up/d/a.txt", "0.txt"] },
      folder,
    );
    expect(documents).toEqual(["first", "second"]);
  });

  test("experiments and runs are never read as data", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, { "a.lathe.md": "# cells", "b.md": "text", ".lathe/runs/r/log.md": "run" });
    expect(
      (await readDocuments({}, { text: ["*.md", "**/*.md", ".lathe/**/*.md"] }, folder)).documents,
    ).toEqual(["text"]);
    for (const [text, message] of [
      ["a.lathe.md", "is an experiment"],
      [".lathe/runs/r/log.md", "is part of a run"],
    ] as const)
      expect((await failureOf(openIn(folder, { text }))).message).toContain(message);
  });
});

describe("files that git ignores", () => {
  async function makeRepository(): Promise<string> {
    const folder = temporaryFolder();
    await writeFiles(folder, {
      ".git/HEAD": "ref: refs/heads/main",
      ".git/info/exclude": "/private/\n",
      ".gitignore": "build/\n*.tmp.txt\n!needed.tmp.txt\nlinked\n",
      "a.txt": "text",
      "b.tmp.txt": "scratch",
      "needed.tmp.txt": "needed",
      "build/c.txt": "generated",
      "build/needed.tmp.txt": "in an ignored folder",
      "private/p.txt": "excluded",
      "sub/d.txt": "deeper",
      "sub/.gitignore": "e.txt\n!f.tmp.txt\n",
      "sub/e.txt": "ignored below",
      "sub/f.tmp.txt": "kept below",
      "sub/build.txt": "another name",
    });
    return folder;
  }

  test("are left out of a glob", async () => {
    const folder = await makeRepository();
    const elsewhere = temporaryFolder();
    await writeFiles(elsewhere, { "f.txt": "behind a link" });
    await symlink(elsewhere, path.join(folder, "linked"));
    expect((await readDocuments({}, { text: "**/*.txt" }, folder)).documents).toEqual([
      "text",
      "needed",
      "another name",
      "deeper",
      "kept below",
    ]);
    expect((await readDocuments({}, { text: "d*.txt" }, path.join(folder, "sub"))).documents).toEqual([
      "deeper",
    ]);
  });

  test("are left out in a worktree, where .git is a file", async () => {
    const folder = temporaryFolder();
    await writeFiles(folder, {
      ".git": "gitdir: /elsewhere/.git/worktrees/one\n",
      ".gitignore": "*.tmp.txt\n",
      "a.txt": "text",
      "b.tmp.txt": "scratch",
    });
    expect((await readDocuments({}, { text: "*.txt" }, folder)).documents).toEqual(["text"]);
  });

  test("are those that git lists", async ({ skip }) => {
    const folder = await makeRepository();
    const git = (...args: string[]) => spawnSync("git", ["-C", folder, ...args], { encoding: "utf8" });
    await rm(path.join(folder, ".git"), { recursive: true });
    const { error } = git("-c", "init.defaultBranch=main", "init", "-q");
    skip(error !== undefined, `git does not run here: ${error?.message}`);
    await writeFiles(folder, { ".git/info/exclude": "/private/\n" });
    const listed = git("ls-files", "--others", "--exclude-standard", "-z", "--", ":(glob)**/*.txt");
    const documents = listed.stdout.split("\0").filter((each) => each !== "");
    const read = await findFiles(["**/*.txt"], folder, "auto");
    expect(documents.sort()).toEqual(read.map((each) => path.relative(folder, each.path)).sort());
    expect(documents).toHaveLength(5);
  });

  test("are read where they or their folder are named", async () => {
    const folder = await makeRepository();
    expect((await readDocuments({}, { text: ["build/*.txt", "b.tmp.txt"] }, folder)).documents).toEqual([
      "scratch",
      "generated",
      "in an ignored folder",
    ]);
  });

  test("are named as the reason where nothing else matches", async () => {
    const folder = await makeRepository();
    expect((await failureOf(openIn(folder, { text: "b*.txt" }))).message).toContain(
      "except 1 file that git ignores. Name the files or their folder to read them",
    );
  });
});
