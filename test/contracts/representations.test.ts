/** The contract of every representation: it applies its dense matrix, has exact counts, and has a gradient. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { input, sizeOf } from "../../src/backend/graph/op";
import { matmul } from "../../src/backend/graph/ops/matmul";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { sum } from "../../src/backend/graph/ops/reduction";
import { fromInOut } from "../../src/backend/representations/dense";
import { representations } from "../../src/backend/representations/catalog";
import type { MatrixSpec } from "../../src/backend/representations/representation";
import { buildWeightWatch } from "../../src/backend/training/watch";
import { computeCentralDifferences, computeRelativeError, createUniform } from "../support/sampleValues";
import { drawTensors, createLookup, createValues } from "../support/tensors";
import { createMatrixSpec } from "../support/matrix";

const folder = new URL("../../src/backend/representations/", import.meta.url);

/**
 * Options that exercise each representation on a matrix of 12 inputs and 6 outputs, or of 7 and 7 if it must be square.
 */
const samples: Readonly<Record<string, readonly unknown[]>> = {
  // The norm that DoRA divides by is a constant in the backward pass, so central differences do not apply to it.
  adapted: [{ r: 2 }, { r: 3, lora_alpha: 5, use_rslora: true }, { r: 8, lora_dropout: 0.5 }],
  clustered: [{ clusters: 256 }, { clusters: 130 }],
  dense: [{}],
  factored: [{ rank: 1 }, { rank: 4 }, { rank: 6 }],
  // The mean of gradients is another function's gradient; test/backend/representations/hashed.test.ts checks it.
  hashed: [
    { size: 72, gradient: "sum" },
    { size: 31, gradient: "sum", scale: 1.5, seed: 3 },
    { size: 1, gradient: "sum" },
    { size: 20, mapping: "blocks", block: 5, gradient: "sum" },
    { size: 12, mapping: "blocks", block: 7, gradient: "sum", drawn_as: "layers.3.mlp.up_proj" },
  ],
  mpo: [
    {
      sites: [
        [3, 2],
        [4, 3],
      ],
      bonds: [1],
    },
    {
      sites: [
        [4, 3],
        [3, 2],
      ],
      bonds: [5],
    },
    {
      sites: [
        [12, 1],
        [1, 6],
      ],
      bonds: [2],
    },
    {
      sites: [
        [1, 6],
        [12, 1],
      ],
      bonds: [1],
    },
    {
      sites: [
        [3, 2],
        [2, 1],
        [2, 3],
      ],
      bonds: [1, 1],
    },
    {
      sites: [
        [3, 2],
        [2, 1],
        [2, 3],
      ],
      bonds: [2, 3],
    },
    {
      sites: [
        [2, 1],
        [3, 2],
        [1, 3],
        [2, 1],
      ],
      bonds: [2, 4, 2],
    },
  ],
  quantised: [
    {},
    { bits: 2, group_size: 4 },
    { bits: 2, ternary: true },
    { bits: 8, group_size: 3, symmetric: false },
    { bits: 3, symmetric: false, residual: 2 },
    { bits: 4, group_size: 12, residual: 6 },
    { bits: 3, group_size: 4, kept: 30 },
    { bits: 5, symmetric: false, kept: 50 },
    { bits: 3, group_size: 4, symmetric: false, float_zeros: true },
    { bits: 4, symmetric: false, float_zeros: true, kept: 40 },
  ],
  diagonal: [{}, { lower: 9, upper: 3 }, { upper: 8 }, { lower: 21, upper: 20 }, { unit: 3 }],
  grouped: [
    { min_channels_per_group: 2, init: "paper" },
    { min_channels_per_group: 6, init: "fan_in" },
    { min_channels_per_group: 13 },
  ],
  indexed: [{ rows: 130 }, { rows: 256 }],
  masked: [{}, { kept: 40 }],
  sliced: [{}, { inputs: 5 }, { outputs: 2 }, { inputs: 7, outputs: 3 }],
  tied: [
    { tied: 5, seed: 3 },
    { tied: 12 },
    { fold: "cols", tied: 4, seed: 1 },
    { fold: "cols", tied: 6 },
    { fold: "rows", tied: 1 },
  ],
};
const square = new Set(["diagonal"]);
const products = new Set(["adapted", "factored", "hashed", "mpo", "quantised"]);

const matrix = (
  id: string,
  layout: MatrixSpec["layout"],
  kind: MatrixSpec["kind"],
  options: object = {},
): MatrixSpec => {
  const [inputs, outputs] = square.has(id) && !("unit" in options) ? [7, 7] : [12, 6];
  return createMatrixSpec(inputs, outputs, { name: "model.layers.0.mlp.up_proj", layout, kind });
};

it("is in the catalog for every file that defines one, under the file's name", () => {
  const files = readdirSync(folder).filter((file) =>
    readFileSync(new URL(file, folder), "utf8").includes("export default"),
  );
  expect(Object.keys(representations).sort()).toEqual(files.map((file) => file.replace(".ts", "")).sort());
  expect(Object.keys(samples).sort()).toEqual(Object.keys(representations).sort());
});

describe.each(Object.entries(representations))("%s", (id, representation) => {
  const layouts = ["in_out", "out_in"] as const;
  const cases = samples[id]!.flatMap((options) => layouts.map((layout) => ({ options, layout })));

  describe.each(cases)("with $options, $layout", ({ options: given, layout }) => {
    const spec = matrix(id, layout, "projection", given as object);
    const options: unknown = representation.options.parse(given);
    const specs = representation.parameters(spec, options);
    const tensors = drawTensors(specs, 11);
    const values = createValues(specs);
    const x = input("x", [5, spec.inputs]);
    const random = createUniform(3);
    const feeds: Record<string, number[]> = {
      x: Array.from({ length: 5 * spec.inputs }, () => random() - 0.5),
      ...Object.fromEntries([...tensors].map(([name, data]) => [name, Array.from(data)])),
    };
    const y = representation.apply(x, createLookup(values), spec, options);

    it("maps inputs to outputs", () => expect(y.type.shape).toEqual([5, spec.outputs]));

    it("applies its dense matrix", () => {
      const dense = representation.materialize(createLookup(tensors), spec, options);
      const wanted = matmul(x, input("dense", [spec.inputs, spec.outputs]));
      const results = evaluateGraph({ outputs: { y, wanted } }, { ...feeds, dense });
      expect(computeRelativeError(results["y"]!, results["wanted"]!)).toBeLessThan(1e-6);
    });

    it("also builds that matrix as a graph, if it can be read by row", () => {
      if (representation.dense === undefined) {
        expect(representation.refuses?.(matrix(id, "in_out", "embedding"), options)).toMatch(/row/);
        return;
      }
      const table = representation.dense(createLookup(values), spec, options);
      const wanted = fromInOut(representation.materialize(createLookup(tensors), spec, options), spec);
      const results = evaluateGraph({ outputs: { table } }, feeds);
      // In the matrix, products and sums are rounded to single precision once more.
      expect(computeRelativeError(results["table"]!, wanted)).toBeLessThan(1e-6);
    });

    it("passes gradients to its trained tensors and its input, as central differences confirm", () => {
      const loss = sum(mul(y, y), { axes: [0, 1], keepDims: false });
      const trained = specs.filter(({ trainable }) => trainable).map(({ name }) => values.get(name)!);
      const found = gradients(loss, [x, ...trained]);
      const names = ["x", ...specs.filter(({ trainable }) => trainable).map(({ name }) => name)];
      names.forEach((name, i) => {
        const gradient = evaluateGraph({ outputs: { gradient: found[i]! } }, feeds)["gradient"]!;
        expect(computeRelativeError(gradient, computeCentralDifferences(loss, feeds, name))).toBeLessThan(
          1e-6,
        );
      });
    });

    it("counts what it stores", () => {
      const all = specs.filter(({ dtype }) => dtype !== "bool");
      const scalars = all.reduce((total, { shape }) => total + sizeOf(shape), 0);
      const trained = all.filter(({ trainable }) => trainable);
      const counts = representation.count(spec, options, createLookup(tensors));
      const planned = representation.count(spec, options);
      const dense = representation.materialize(createLookup(tensors), spec, options);
      expect(counts.stored).toBeLessThanOrEqual(scalars);
      expect(counts.trainable).toBeLessThanOrEqual(
        trained.reduce((total, { shape }) => total + sizeOf(shape), 0),
      );
      expect(counts.nonZero).toBeLessThanOrEqual(counts.stored);
      // One stored scalar may occur in several places and with both signs, and several may be multiplied into one.
      if (!products.has(id))
        expect(counts.nonZero).toBeGreaterThanOrEqual(new Set(dense.filter((each) => each !== 0)).size);
      // Codes take fewer bits than a scalar.
      const isCoded = specs.some(({ dtype }) => dtype === "int8");
      if (isCoded) expect(counts.bits).toBeLessThan(32 * counts.stored);
      else expect(counts.bits).toBeGreaterThanOrEqual(32 * counts.stored);
      if (!specs.some(({ trainable }) => !trainable)) expect(planned).toEqual(counts);
    });

    it("has its trained tensors in the histograms of a watched training", () => {
      const watch = buildWeightWatch({ parameters: specs });
      const trained = specs.filter(({ trainable }) => trainable);
      expect(watch?.tensors.map(({ name }) => name) ?? []).toEqual(trained.map(({ name }) => name));
      const counts = evaluateGraph(watch ?? { outputs: {} }, feeds)["watch_counts"] ?? new Float64Array();
      const total = counts.reduce((sum, each) => sum + each, 0);
      expect(total).toBe(trained.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    });

    it("names and describes its tensors consistently", () => {
      expect(new Set(specs.map(({ name }) => name)).size).toBe(specs.length);
      for (const each of specs) {
        expect(each.role).toBe(spec.role);
        expect(each.name.startsWith(spec.name)).toBe(true);
        expect(each.axes?.length ?? each.shape.length).toBe(each.shape.length);
      }
    });
  });
});

describe("an adapter", () => {
  const adapted = representations["adapted"]!;
  const others = Object.keys(samples).filter((id) => id !== "adapted");
  it.each(others)("of a matrix stored as %s is added to it, and is trained alone", (id) => {
    const [sample] = samples[id]!;
    const spec = matrix(id, "out_in", "projection", sample as object);
    const options: unknown = adapted.options.parse({ r: 2, lora_alpha: 3 });
    const [base, ...adapter] = adapted.pieces!(spec, options);
    const stored = representations[id]!;
    const whole = adapted.withPieces!([
      { matrix: base!, representation: stored, options: stored.options.parse(sample) as unknown },
      ...adapter.map((piece) => ({ matrix: piece, representation: representations["dense"]!, options: {} })),
    ]);
    const specs = whole.parameters(spec, options);
    expect(specs.filter(({ trainable }) => trainable).map(({ name }) => name)).toEqual([
      `${spec.name}.lora_A.weight`,
      `${spec.name}.lora_B.weight`,
    ]);
    const tensors = drawTensors(specs, 5);
    const x = input("x", [3, spec.inputs]);
    const y = whole.apply(x, createLookup(createValues(specs)), spec, options);
    const wanted = matmul(x, input("dense", [spec.inputs, spec.outputs]));
    const random = createUniform(4);
    const results = evaluateGraph(
      { outputs: { y, wanted } },
      {
        x: Array.from({ length: 3 * spec.inputs }, () => random() - 0.5),
        dense: whole.materialize(createLookup(tensors), spec, options),
        ...Object.fromEntries([...tensors].map(([name, data]) => [name, Array.from(data)])),
      },
    );
    expect(computeRelativeError(results["y"]!, results["wanted"]!)).toBeLessThan(1e-6);
    const before = stored.count(base!, stored.options.parse(sample));
    const after = whole.count(spec, options);
    const added = 2 * (spec.inputs + spec.outputs);
    expect(after).toMatchObject({
      trainable: added,
      stored: before.stored + added,
      bits: before.bits + 32 * added,
    });
  });
});
