import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadExperiment } from "../../../src/backend/experiment/load";
import { catalog } from "./sampleCatalog";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "lathe-load-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function failure(name: string, content?: string | Uint8Array) {
  const file = path.join(folder, name);
  if (content !== undefined) await writeFile(file, content);
  const error: unknown = await loadExperiment(file, catalog).catch((thrown: unknown) => thrown);
  const { code, message } = error as { code: string; message: string };
  return `${code}: ${message.replaceAll(`${folder}${path.sep}`, "").replaceAll(folder, "FOLDER")}`;
}

test("a file is read with its byte order mark", async () => {
  const file = path.join(folder, "x.lathe.md");
  await writeFile(file, "\uFEFF```yaml\nseed: 2\n```\n");
  expect((await loadExperiment(file, catalog)).declarations.seed?.value).toBe(2);
});

test("a file that cannot be an experiment is refused with the next step", async () => {
  expect(await failure("missing.lathe.md")).toMatchInlineSnapshot(
    `"not-found: There is no experiment missing.lathe.md. Check the path."`,
  );
  expect(await failure("")).toMatch(/^invalid-input: FOLDER.* is a folder\. Name an experiment file/);
  expect(await failure("binary.lathe.md", Uint8Array.of(0xff, 0xfe, 0, 1))).toMatchInlineSnapshot(
    `"invalid-input: binary.lathe.md:1:1: the file is not valid UTF-8. Save it as UTF-8, or choose another."`,
  );
  expect(await failure("large.lathe.md", "x".repeat(2 ** 20 + 1))).toMatchInlineSnapshot(
    `"invalid-input: large.lathe.md:1:1: the file is larger than 1048576 bytes. Is it an experiment?"`,
  );
  expect(await failure("bad.lathe.md", "```yaml\nsed: 1\n```\n")).toMatch(
    /^invalid-input: bad\.lathe\.md:2:1: unknown key "sed"/,
  );
});
