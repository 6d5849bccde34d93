/** Packed checkpoints: the reported bits are the bits on disk, and loading restores the model exactly. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodeChain, decodeChain, type OpenStep, computeStages } from "../../../src/backend/coding/codecs";
import { encodeTensors } from "../../../src/backend/coding/codedTensors";
import { countModel } from "../../../src/backend/models/accounting";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel } from "../../../src/backend/imports/importModel";
import { openModel } from "../../../src/backend/imports/openModel";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { listMatrixSlots, parametersOf } from "../../../src/backend/models/model";
import cluster from "../../../src/backend/methods/cluster";
import fpp from "../../../src/backend/methods/fpp";
import graphhash from "../../../src/backend/methods/graphhash";
import irc from "../../../src/backend/methods/irc";
import hqq from "../../../src/backend/methods/hqq";
import magnitude from "../../../src/backend/methods/magnitude";
import type { AnyMethod } from "../../../src/backend/compression/method";
import roast from "../../../src/backend/methods/roast";
import rtn from "../../../src/backend/methods/rtn";
import svd from "../../../src/backend/methods/svd";
import type { TensorData } from "../../../src/backend/representations/representation";
import { plainLab } from "../../support/lab";
import { createUniform } from "../../support/sampleValues";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";

const large = { vocab_size: 64, hidden_size: 64, intermediate_size: 96, num_attention_heads: 4 };
type Given = readonly [method: AnyMethod, options: object];
const cases: readonly { readonly title: string; readonly steps: readonly Given[] }[] = [
  { title: "masks", steps: [[magnitude, { sparsity: 0.7 }]] },
  { title: "n:m masks", steps: [[magnitude, { mask_structure: "2:4" }]] },
  { title: "masks of matrices and biases", steps: [[fpp, { sparsity: 0.5 }]] },
  { title: "codes of 3 bits", steps: [[rtn, { bits: 3 }]] },
  {
    title: "codes of 5 bits in groups with zeros",
    steps: [[rtn, { bits: 5, group_size: 16, symmetric: false, residual: 2 }]],
  },
  {
    title: "codes of what a mask keeps",
    steps: [
      [magnitude, { sparsity: 0.7 }],
      [rtn, { bits: 3 }],
    ],
  },
  {
    title: "codes with zeros of what a mask keeps, biases among it",
    steps: [
      [fpp, { sparsity: 0.5 }],
      [rtn, { bits: 4, symmetric: false }],
    ],
  },
  { title: "codes with zeros between them", steps: [[hqq, { bits: 3, group_size: 16 }]] },
  { title: "clusters", steps: [[cluster, { clusters: 5, sensitivity: "none" }]] },
  { title: "factors", steps: [[svd, { rate: 0.5 }]] },
  { title: "tied rows", steps: [[irc, { rate: 0.5 }]] },
  {
    title: "shared rows",
    steps: [[graphhash, { rate: 0.7, by: "random", average: "equal" }]],
  },
  { title: "hashed weights", steps: [[roast, { rate: 0.5 }]] },
];

/** The result of a method, or of several methods in sequence. */
async function shrunk(steps: readonly Given[], family = "llama"): Promise<Checkpoint> {
  const shape = createTinyShape(family, family === "llama" ? large : {});
  let model: Checkpoint = { shape, tensors: drawModelTensors(shape, 8) };
  for (const [method, given] of steps)
    model = await method.apply(model, method.options.parse(given) as unknown, plainLab);
  return model;
}

describe.each(cases)("$title", ({ title, steps }) => {
  const family = title.includes("biases") ? "gpt2" : "llama";

  it("take exactly the reported number of bits", async () => {
    using folder = createTemporaryFolder();
    const { shape, tensors } = await shrunk(steps, family);
    const target = join(folder.path, "out");
    await exportModel({ shape, tensors }, { format: "packed", entropy_coding: false }, target);
    const counted = countModel(shape, { tensors: (name) => tensors.get(name)!.data as TensorData }).total;
    // Tied rows and hashed places follow from a 32-bit seed in the manifest.
    const seeds = listMatrixSlots(shape).flatMap(({ stored }) =>
      stored.filter(({ type }) => type === "tied" || type === "hashed"),
    );
    const specs = new Map(parametersOf(shape).map((spec) => [spec.name, spec]));
    using opened = openModel(target);
    let written = 0;
    let filled = 0;
    for (const { name, packing } of specs.values()) {
      written += 8 * opened.written.tensorBytes(name);
      if (packing?.integers !== undefined) filled++;
    }
    const exact = counted.bits - 32 * seeds.length;
    expect(written).toBeGreaterThanOrEqual(exact);
    // Only the last byte of a tensor of bits may be padded.
    expect(written - exact).toBeLessThan(8 * filled || 1);
  });

  it("load bit for bit, and are smaller with a prefix code", async () => {
    using folder = createTemporaryFolder();
    const { shape, tensors } = await shrunk(steps, family);
    const [packed, plain] = ["packed", "plain"].map((name) => join(folder.path, name)) as [string, string];
    await exportModel({ shape, tensors }, { format: "packed" }, packed);
    await exportModel({ shape, tensors }, { format: "packed", entropy_coding: false }, plain);
    for (const target of [packed, plain]) {
      const model = await importModel(target);
      expect(model.shape.representations).toEqual(shape.representations);
      expect([...model.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
      for (const [name, { data }] of tensors) expect(model.tensors.get(name)!.data, name).toEqual(data);
    }
    const size = (of: string) => {
      using opened = openModel(of);
      return [...tensors.keys()].reduce((sum, name) => sum + opened.written.tensorBytes(name), 0);
    };
    expect(size(packed)).toBeLessThanOrEqual(size(plain));
  });
});

it("rejects a file with changed weights", async () => {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  await exportModel(await shrunk([[rtn, { bits: 4 }]]), { format: "packed" }, target);
  const path = join(target, "model.safetensors");
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
  await expect(importModel(target)).rejects.toThrow(/has changed since it was written/);
});

describe("a chain of steps", () => {
  const mask = Uint8Array.from({ length: 999 }, (_, i) => Number(i % 3 === 0));
  const random = createUniform(4);
  const floats = Float32Array.from({ length: 999 }, (_, i) => (mask[i] === 1 ? random() - 0.5 : 0));
  const codes = Int8Array.from({ length: 999 }, () => Math.floor(16 * random() ** 3) - 8);
  const chains: readonly (readonly [string, Float32Array | Int8Array | Uint8Array, readonly OpenStep[]])[] = [
    ["kept values", floats, [{ codec: "kept", by: "mask" }]],
    ["bits of a mask", mask, [{ codec: "integers", bits: 1, lowest: 0 }]],
    ["bits of a mask, prefix-coded", mask, [{ codec: "integers", bits: 1, lowest: 0 }, { codec: "huffman" }]],
    ["codes of 4 bits", codes, [{ codec: "integers", bits: 4, lowest: -8 }]],
    ["codes of 7 bits", codes, [{ codec: "integers", bits: 7, lowest: -64 }]],
    ["prefix-coded codes", codes, [{ codec: "huffman" }]],
  ];
  it.each(chains)("restores %s", (_, numbers, steps) => {
    const source = () => mask;
    const coded = encodeChain(numbers, steps, source);
    const type = numbers instanceof Float32Array ? "float32" : numbers instanceof Int8Array ? "int8" : "bool";
    const stages = computeStages({ type, size: numbers.length }, coded.steps, source)!;
    expect(decodeChain(coded.bytes, stages, coded.steps, source)).toEqual(numbers);
    expect(coded.bytes.length).toBeLessThan(numbers.byteLength);
  });

  it("is rejected for numbers outside the range of its bits", () => {
    expect(() => encodeChain(codes, [{ codec: "integers", bits: 3, lowest: -4 }], () => mask)).toThrow(
      /not an integer of 3 bits/,
    );
  });

  it("selects the shortest candidate", () => {
    const offered: readonly OpenStep[][] = [
      [{ codec: "integers", bits: 8, lowest: -128 }],
      [{ codec: "huffman" }],
    ];
    const rare = Int8Array.from({ length: 4000 }, (_, i) => Number(i % 50 === 0));
    const { tensors } = encodeTensors(new Map([["x", { shape: [4000], data: rare }]]), () => offered);
    expect(tensors.get("x.coded")!.data.length).toBeLessThan(4000 / 4);
  });
});
