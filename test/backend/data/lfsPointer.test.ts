import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findFiles } from "../../../src/backend/data/files";
import { refuseLfsPointer } from "../../../src/backend/data/lfsPointer";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { createTemporaryFolder } from "../../support/temporary";

const folder = createTemporaryFolder();
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12345\n`;

it.each(["a.txt", "a.csv", "a.jsonl", "a.json", "a.parquet", "a.txt.gz"])(
  "is refused as data: %s",
  async (name) => {
    writeFileSync(join(folder, name), pointer);
    await expect(findFiles([name], folder, "auto")).rejects.toThrow(
      `${join(folder, name)} is a Git LFS pointer, not the file; run git lfs pull`,
    );
  },
);

it.each(["tokenizer.json", "tokenizer.model", "tokenizer.bin", "a.gguf"])(
  "is refused as a tokenizer: %s",
  async (name) => {
    writeFileSync(join(folder, name), pointer);
    await expect(openTokenizer(name, folder)).rejects.toThrow(/is a Git LFS pointer, not the file/);
  },
);

it("is not detected in every text that mentions Git LFS", () => {
  const path = join(folder, "about.txt");
  writeFileSync(path, `${pointer}${"x".repeat(1024)}`);
  expect(() => refuseLfsPointer(path)).not.toThrow();
  writeFileSync(path, "version");
  expect(() => refuseLfsPointer(path)).not.toThrow();
});
