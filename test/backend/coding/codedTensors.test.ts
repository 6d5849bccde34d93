/**
 * Entropy-coded weights in files: exporting and loading restores the bfloat16 weights bit for bit, and damage is
 * refused.
 */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeTensors, openCodedTensors } from "../../../src/backend/coding/codedTensors";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel } from "../../../src/backend/imports/importModel";
import { openModel } from "../../../src/backend/imports/openModel";
import { models } from "../../../src/backend/models/catalog";
import { narrow, widenInto } from "../../../src/backend/checkpoints/halfPrecision";
import { type HostTensor, writeSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { drawNormals } from "../../support/normals";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const rounded = (data: Float32Array) => {
  const out = new Float32Array(data.length);
  widenInto(out, 0, narrow(data, "bfloat16"), "bfloat16");
  return out;
};
const large = (name: string) => ({
  vocab_size: 400,
  [models[name]!.sizeKeys.width]: 48,
  ...(name === "gpt2" ? { n_head: 4 } : {}),
});

it.each(Object.keys(models))("a %s is loaded with its bfloat16 weights, bit for bit", async (family) => {
  using folder = createTemporaryFolder();
  const shape = createTinyShape(family, large(family));
  const tensors = drawModelTensors(shape, 6);
  const target = join(folder.path, "out");
  const { notices } = await exportModel({ shape, tensors }, { format: "dfloat11" }, target);
  expect(notices[0]).toMatch(/bits per weight/);
  const model = await importModel(target);
  expect([...model.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
  for (const [name, { data }] of tensors)
    expect(model.tensors.get(name)!.data, name).toEqual(rounded(data as Float32Array));
  using opened = openModel(target);
  const [name, { data }] = [...tensors].find(([, tensor]) => tensor.data.length > 2048)!;
  expect(opened.read(name, 5, 100)).toEqual(rounded(data as Float32Array).subarray(5, 100));
});

describe("a file", () => {
  const weights: HostTensor = { shape: [100, 300], data: drawNormals(30_000, 3) };
  const mask: HostTensor = { shape: [4], data: Uint8Array.of(1, 0, 1, 1) };
  const written = (path: string, change = (text: string) => text) => {
    const given = new Map([
      ["w", weights],
      ["mask", mask],
    ]);
    const { tensors, metadata } = encodeTensors(given, (name) =>
      name === "w" ? [[{ codec: "half", dtype: "bfloat16" }, { codec: "dfloat11" }]] : [],
    );
    writeSafetensors(path, tensors, { coded: change(metadata["coded"]!) }, "bfloat16");
  };

  it("contains coded weights beside others, and reports the size of each", () => {
    using folder = createTemporaryFolder();
    const path = join(folder.path, "m.safetensors");
    written(path);
    using file = openCodedTensors(path);
    expect([...file.shapes]).toEqual(
      expect.arrayContaining([
        ["w", [100, 300]],
        ["mask", [4]],
      ]),
    );
    expect(file.shapes.size).toBe(2);
    expect(file.read("w")).toEqual(rounded(weights.data as Float32Array));
    expect(file.read("w", 299, 301)).toEqual(rounded(weights.data as Float32Array).subarray(299, 301));
    expect(file.read("mask")).toEqual(mask.data);
    expect(file.tensorBytes("w") * 8).toBeLessThan(11 * 30_000);
    expect(statSync(path).size).toBeGreaterThan(file.tensorBytes("w"));
  });

  it.each<[string, (text: string) => string, RegExp]>([
    ["no JSON", () => "{", /not valid JSON/],
    ["without shapes", () => '{"w": "large"}', /is invalid/],
    ["of an unknown step", (text) => text.replace('"half"', '"zip"'), /is invalid/],
    ["about a missing weight", (text) => text.replace('"w"', '"v"'), /coded tensor v is missing/],
    ["of a shape beyond its bytes", (text) => text.replace("[100,300]", "[1000000,1000000]"), /claims more/],
  ])("whose list of coded weights is %s is refused", (_, change, message) => {
    using folder = createTemporaryFolder();
    const path = join(folder.path, "m.safetensors");
    written(path, change);
    expect(() => openCodedTensors(path)).toThrow(message);
  });

  it.each<[string, (text: string) => string, RegExp]>([
    [
      "a shape that does not match its bytes",
      (text) => text.replace("[100,300]", "[100,200]"),
      /damaged|cannot be decoded/,
    ],
    [
      "another hash",
      (text) => text.replace(/"sha256":"./, '"sha256":"x'),
      /does not decode to the original numbers/,
    ],
    [
      "an invalid mask",
      (text) => text.replace('[{"codec":"half"', '[{"codec":"kept","by":"w"},{"codec":"half"'),
      /which is not a mask/,
    ],
    [
      "steps that do not fit together",
      (text) => text.replace('{"codec":"half","dtype":"bfloat16"},', ""),
      /cannot be decoded/,
    ],
  ])("with %s is refused when it is read", (_, change, message) => {
    using folder = createTemporaryFolder();
    const path = join(folder.path, "m.safetensors");
    written(path, change);
    using file = openCodedTensors(path);
    expect(() => file.read("w")).toThrow(message);
  });

  it("whose coded bytes are damaged is refused when they are read", () => {
    using folder = createTemporaryFolder();
    const path = join(folder.path, "m.safetensors");
    written(path);
    const bytes = readFileSync(path);
    bytes.fill(0, bytes.length - 3_000);
    writeFileSync(path, bytes);
    using file = openCodedTensors(path);
    expect(() => file.read("w")).toThrow(/damaged/);
  });
});
