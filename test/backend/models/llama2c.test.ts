import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/open";
import { input } from "../../../src/backend/graph/op";
import { type Llama2cFile, readLlama2c } from "../../../src/backend/models/llama2c";
import { forward, parametersOf } from "../../../src/backend/models/model";
import { createLookup, createValues } from "../../support/tensors";

/** A file of the format in which every scalar equals its position. */
function countingFile(sizes: readonly number[], scalars: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(28 + 4 * scalars));
  sizes.forEach((size, i) => view.setInt32(4 * i, size, true));
  for (let i = 0; i < scalars; i++) view.setFloat32(28 + 4 * i, i, true);
  return new Uint8Array(view.buffer);
}

/** The same sizes and scalars after the header of a later version. */
function versioned(version: number, file: Uint8Array, tied: 0 | 1): Uint8Array {
  const whole = new Uint8Array(256 + file.length - 28);
  const view = new DataView(whole.buffer);
  view.setUint32(0, 0x616b3432, true);
  view.setInt32(4, version, true);
  whole.set(file.subarray(0, 28), 8);
  whole[36] = tied;
  whole.set(file.subarray(28), 256);
  return whole;
}

// Width 8, inner 3, 2 layers, 2 heads, 1 key head, 5 tokens, 4 positions.
const sizes = [8, 3, 2, 2, 1, 5, 4];
const scalars = 5 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 24 + 24 + 24) + 8 + 4 * 4;

const inMemory = (bytes: Uint8Array): Llama2cFile => ({
  bytes: bytes.length,
  read: (length) => bytes.subarray(0, length),
});

describe("a llama2.c checkpoint", () => {
  it("is read tensor by tensor, by kind and then by layer", () => {
    const { shape, tensors } = readLlama2c(inMemory(countingFile(sizes, scalars)), "toy.bin");
    expect([...tensors.keys()].sort()).toEqual(
      parametersOf(shape)
        .map(({ name }) => name)
        .sort(),
    );
    for (const { name, shape: size } of parametersOf(shape)) expect(tensors.get(name)!.shape).toEqual(size);
    expect(tensors.get("model.layers.1.input_layernorm.weight")!.data[0]).toBe(48);
    expect(tensors.get("model.norm.weight")!.data[0]).toBe(scalars - 24);
  });

  it("has the rows of q and k moved from neighboring pairs to halves", () => {
    const { tensors } = readLlama2c(inMemory(countingFile(sizes, scalars)), "toy.bin");
    const { data } = tensors.get("model.layers.0.self_attn.q_proj.weight")!;
    const rows = Array.from({ length: 8 }, (_, row) => (data[row * 8]! - 56) / 8);
    expect(rows).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
  });

  it("has an untied head if the vocabulary size is negative", () => {
    const file = countingFile(sizes.with(5, -5), scalars + 40);
    const { shape, tensors } = readLlama2c(inMemory(file), "toy.bin");
    expect(shape.config["tie_word_embeddings"]).toBe(false);
    expect(tensors.get("lm_head.weight")!.data[0]).toBe(scalars);
  });

  it("of version 1 has all norms first, the embedding after them, and no rotary tables", () => {
    const file = versioned(1, countingFile(sizes, scalars - 4 * 4), 1);
    const { shape, tensors } = readLlama2c(inMemory(file), "toy.bin");
    expect(shape.config["tie_word_embeddings"]).toBe(true);
    expect(tensors.get("model.layers.1.post_attention_layernorm.weight")!.data[0]).toBe(24);
    expect(tensors.get("model.norm.weight")!.data[0]).toBe(32);
    expect(tensors.get("model.embed_tokens.weight")!.data[0]).toBe(40);
    expect(tensors.get("model.layers.1.mlp.up_proj.weight")!.data.at(-1)).toBe(scalars - 4 * 4 - 1);
    const untied = versioned(1, countingFile(sizes, scalars - 4 * 4 + 40), 0);
    expect(readLlama2c(inMemory(untied), "toy.bin").tensors.get("lm_head.weight")!.data[39]).toBe(
      scalars - 4 * 4 + 39,
    );
  });

  it.each([
    [2, /llama2.c checkpoint of version 2, whose int8 codes are not read/],
    [3, /llama2.c checkpoint of version 3; versions 0 and 1 are read/],
  ])("of version %i is refused with its version", (version, reason) => {
    const file = versioned(version, countingFile(sizes, 10), 1);
    expect(() => readLlama2c(inMemory(file), "toy.bin")).toThrow(reason);
  });

  it.each([
    ["shorter than a header", new Uint8Array(12), /fewer than its header/],
    ["of another length than its sizes ask for", countingFile(sizes, scalars - 1), /its sizes ask for/],
    ["with an impossible size", countingFile(sizes.with(2, 1 << 30), 10), /n_layers is 1073741824/],
  ])("%s is refused", (_, bytes, reason) => {
    expect(() => readLlama2c(inMemory(bytes), "toy.bin")).toThrow(reason);
  });
});

const stories = fileURLToPath(
  new URL("../../../../shared/data/stories260k/stories260K.bin", import.meta.url),
);
const known = [
  403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410,
  408, 419, 292, 411, 322, 265, 282, 295, 433, 426,
];

describe("stories260K", () => {
  it("generates its known text greedily from BOS, id by id", async (context) => {
    context.skip(!existsSync(stories), "../shared/data/stories260k is not on this machine");
    const { shape, tensors } = readLlama2c(inMemory(readFileSync(stories)), stories);
    const time = known.length + 1;
    const rows = input("rows", [1], "int32");
    const logits = forward(
      shape,
      createLookup(createValues(parametersOf(shape))),
      { tokens: input("tokens", [1, time], "int32") },
      { rows },
    );
    await using engine = await openEngine("cpu", { threads: 1 });
    await using program = await engine.compile({ outputs: { logits } });
    const weights = Object.fromEntries(
      [...tensors].map(([name, { shape: size, data }]) => [
        name,
        engine.upload({ dtype: "float32", shape: size }, data),
      ]),
    );
    const written = [1];
    while (written.length < time) {
      const tokens = Int32Array.from({ length: time }, (_, i) => written[i] ?? 0);
      const results = await program.run({
        ...weights,
        tokens: engine.upload({ dtype: "int32", shape: [1, time] }, tokens),
        rows: engine.upload({ dtype: "int32", shape: [1] }, Int32Array.of(written.length - 1)),
      });
      const scores = (await results["logits"]!.read()) as Float32Array;
      written.push(scores.indexOf(Math.max(...scores)));
    }
    expect(written.slice(1)).toEqual(known);
  });
});
