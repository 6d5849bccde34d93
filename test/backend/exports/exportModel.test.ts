import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { exporters } from "../../../src/backend/exports/catalog";
import { exportModel } from "../../../src/backend/exports/exportModel";
import type { RepresentationChoice } from "../../../src/backend/models/family";
import { withRepresentations } from "../../../src/backend/models/model";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const shape = createTinyShape("llama", { vocab_size: 257 });
const subject = { shape, tensors: drawModelTensors(shape, 4) };

it("fills an empty folder, and never changes one that is not empty", async () => {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  mkdirSync(target);
  await exportModel(subject, { format: "safetensors" }, target);
  const written = readdirSync(target);
  await expect(exportModel(subject, { format: "onnx" }, target)).rejects.toThrow(/not empty. Choose another/);
  expect(readdirSync(target)).toEqual(written);
  writeFileSync(join(folder.path, "file"), "mine");
  await expect(exportModel(subject, { format: "onnx" }, join(folder.path, "file"))).rejects.toThrow(
    /not empty/,
  );
});

it("lists the formats", async () => {
  await expect(exportModel(subject, { format: "tflite" }, "nowhere")).rejects.toThrow(
    `Unknown export format "tflite". Allowed: ${Object.keys(exporters).join(", ")}.`,
  );
});

it.each(["safetensors", "onnx"])("leaves nothing behind if a tensor is missing: %s", async (format) => {
  using folder = createTemporaryFolder();
  const broken = { shape, tensors: new Map([...subject.tensors].slice(1)) };
  await expect(exportModel(broken, { format }, join(folder.path, "out"))).rejects.toThrow();
  expect(readdirSync(folder.path)).toEqual([]);
});

describe("sizes", () => {
  const sizesOf = async (
    choice: RepresentationChoice | undefined,
    format: { readonly format: string; readonly [option: string]: unknown },
  ) => {
    using folder = createTemporaryFolder();
    const own = withRepresentations(shape, choice === undefined ? {} : { "layers.0.mlp.up_proj": choice });
    const exported = await exportModel(
      { shape: own, tensors: drawModelTensors(own, 4), tokenizer: createBytesTokenizer() },
      format,
      join(folder.path, "out"),
    );
    const { sizes, notices, files } = exported;
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(sizes.at(-1)).toMatchObject({ kind: "total", after: total });
    expect(sizes.map(({ kind }) => kind)).toEqual(["weights", "configuration", "tokenizer", "total"]);
    return { weights: sizes[0]!, notices: notices.join("\n") };
  };
  const dense = 4 * [...subject.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);

  it("compare the files with dense float32 weights, and explain why nothing is saved", async () => {
    const plain = await sizesOf(undefined, { format: "safetensors" });
    expect(plain.weights.before).toBe(dense);
    expect(plain.weights.after).toBeGreaterThan(dense);
    expect(plain.notices).toMatch(/The export saved no space: the weights take as many bytes/);
    const half = await sizesOf(undefined, { format: "safetensors", dtype: "float16" });
    expect(half.weights.after).toBeLessThan(0.7 * dense);
    expect(half.notices).toBe("");
  });

  it.each([
    ["masked", {}, /1 matrix with a mask \([\d.]+ % zeros\): .* nothing is saved. Export as packed/],
    [
      "quantised",
      { bits: 4 },
      /1 matrix with quantized codes: .* nothing is saved. Export as onnx or packed/,
    ],
    ["factored", { rank: 2 }, /1 matrix with two low-rank factors: .* nothing is saved/],
    ["hashed", { size: 9 }, /1 matrix with hashed weights: .* nothing is saved/],
    ["tied", { tied: 3 }, /1 matrix with tied rows or columns: .* nothing is saved/],
  ])("of a %s matrix in safetensors", async (type, options, reason) => {
    const { weights, notices } = await sizesOf({ type, options }, { format: "safetensors" });
    expect(weights.before).toBe(dense);
    expect(weights.after).toBeGreaterThanOrEqual(dense);
    expect(notices).toMatch(reason);
    expect((await sizesOf({ type, options }, { format: "packed" })).notices).not.toMatch(/nothing is saved/);
  });
});
