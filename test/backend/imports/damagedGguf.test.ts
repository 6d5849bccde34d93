/** GGUF files that are damaged: each is refused with what is wrong in it. */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { importModel } from "../../../src/backend/imports/importModel";
import { subjectOf, withGgufFile } from "../../support/ggufFile";

describe("a damaged file is refused", () => {
  const nameAt = (bytes: Buffer) => bytes.indexOf("blk.0.attn_q.weight");
  const afterName = (bytes: Buffer) => nameAt(bytes) + "blk.0.attn_q.weight".length;
  it.each<[string, (bytes: Buffer) => Buffer, RegExp]>([
    ["cut off", (bytes) => bytes.subarray(0, -40), /claims bytes .* not within the file/],
    ["cut in its descriptions", (bytes) => bytes.subarray(0, afterName(bytes)), /end too early|not within/],
    [
      "of an unknown type",
      (bytes) => writeUint32(bytes, afterName(bytes) + 20, 19),
      /attn_q.weight is stored as type 19 of GGUF, which is not supported. Supported types: F32 \(0\)/,
    ],
    [
      "of wrong sizes",
      (bytes) => writeUint32(bytes, afterName(bytes) + 4, 8),
      /attn_q.weight is \[16, 8\] where the model has \[16, 16\]/,
    ],
    [
      "of too many dimensions",
      (bytes) => writeUint32(bytes, afterName(bytes), 9),
      /attn_q.weight has 9 dimensions/,
    ],
    [
      "of huge sizes",
      (bytes) => writeUint32(bytes, afterName(bytes) + 8, 2 ** 31),
      /a size of blk.0.attn_q.weight is/,
    ],
    ["with a misplaced tensor", (bytes) => writeUint32(bytes, afterName(bytes) + 24, 3), /not aligned/],
    [
      "with overlapping tensors",
      (bytes) => writeUint32(bytes, afterName(bytes) + 24, 0),
      /claim the same bytes/,
    ],
    [
      "of too many tensors",
      (bytes) => writeUint32(bytes, 8, 2 ** 16),
      /more than it has bytes for|claims 65536/,
    ],
    [
      "with a renamed tensor",
      (bytes) => replace(bytes, "blk.0.attn_q.weight", "blk.0.attn_Q.weight"),
      /blk.0.attn_q.weight is missing, blk.0.attn_Q.weight is not a tensor/,
    ],
    [
      "with two tensors of a name",
      (bytes) => replace(bytes, "blk.0.attn_v.weight", "blk.0.attn_q.weight"),
      /two tensors blk.0.attn_q.weight/,
    ],
    [
      "of another architecture",
      (bytes) => replace(bytes, "general.architecture", "general.architectura"),
      /no general.architecture/,
    ],
    [
      "with a key that is not known",
      (bytes) => replace(bytes, "llama.vocab_size", "llama.vocab_sine"),
      /llama.vocab_sine is 32, and this key is not supported/,
    ],
  ])("%s", async (_, damage, message) => {
    await withGgufFile(subjectOf("llama"), { dtype: "float32" }, async (file) => {
      const bytes = readFileSync(file);
      writeFileSync(file, damage(bytes));
      await expect(importModel(file)).rejects.toThrow(message);
    });
  });
});

function writeUint32(bytes: Buffer, at: number, value: number): Buffer {
  bytes.writeUInt32LE(value, at);
  return bytes;
}

function replace(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from));
  return bytes;
}
