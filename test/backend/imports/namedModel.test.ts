/** Named models: found with their tokenizer where `LATHE_DATA` has both, refused by name where nothing may be downloaded. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { importLocalOutline, importModel } from "../../../src/backend/imports/importModel";
import { toWorkbenchError } from "../../../src/protocol/errors";
import { sharedFile } from "../data/fixtures";
import { createTemporaryFolder } from "../../support/subject";

let folder: ReturnType<typeof createTemporaryFolder>;
beforeEach(() => {
  folder = createTemporaryFolder();
  vi.stubEnv("LATHE_CACHE", join(folder.path, "cache"));
  vi.stubEnv("LATHE_DATA", folder.path);
});
afterEach(() => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
});

const failure = (promise: Promise<unknown>) => promise.then(() => undefined, toWorkbenchError);

it("is refused without a network, with the command that downloads it", async () => {
  const error = await failure(importLocalOutline("stories260k", folder.path));
  expect(error?.code).toBe("not-found");
  expect(error?.message).toMatch(/stories260k \(MIT\) is not in the cache .* `lathe inspect stories260k`/);
});

it("is refused where the file has another content", async () => {
  mkdirSync(join(folder.path, "stories260k"));
  for (const name of ["stories260K.bin", "tok512.bin"])
    writeFileSync(join(folder.path, "stories260k", name), "something else");
  const error = await failure(importModel("stories260k"));
  expect(error?.message).toMatch(/is not the file of the model stories260k \(MIT\): its SHA-256 is not/);
});

it("is read with its tokenizer", async (context) => {
  cpSync(dirname(sharedFile(context, "stories260k", "stories260K.bin")), join(folder.path, "stories260k"), {
    recursive: true,
  });
  const { shape, tensors, tokenizerFolder } = await importModel("stories260k", {
    baseFolder: join(folder.path, "elsewhere"),
  });
  expect([...tensors.values()].reduce((all, { data }) => all + data.length, 0)).toBe(260_032);
  expect(tokenizerFolder).toBe(join(folder.path, "stories260k"));
  expect((await importLocalOutline("stories260k", join(folder.path, "elsewhere"))).shape).toEqual(shape);
});

it("gives way to a file of that name", async () => {
  writeFileSync(join(folder.path, "stories260k"), "");
  const error = await failure(importModel("stories260k", { baseFolder: folder.path }));
  expect(error?.message).toMatch(/stories260k is not a supported model file/);
});
