/** Grids: ties and codes as PyTorch gives them, the extreme code of signed scales, and the search for the least error. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  chooseGrid,
  computeGrid,
  decodeValue,
  encodeValue,
  type Grid,
  roundHalfToEven,
} from "../../../../src/backend/compression/quantization/grid";
import { methods } from "../../../../src/backend/methods/catalog";
import gptq from "../../../../src/backend/methods/gptq";
import rtn from "../../../../src/backend/methods/rtn";
import { countModel } from "../../../../src/backend/models/accounting";
import { createUniform } from "../../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../../support/subject";
import {
  applied,
  correlated,
  denseOf,
  errorOf,
  labWithInputs,
  sizesOf,
  tiny,
} from "../../methods/shrinkSamples";

interface Reference {
  readonly inputs: number;
  /** [outputs, inputs] */
  readonly weight: readonly number[];
  /** [rows, inputs] */
  readonly x: readonly number[];
  readonly cases: readonly {
    readonly method: string;
    readonly options: Readonly<Record<string, unknown>>;
    readonly codes: readonly number[];
    readonly scales: readonly number[];
    readonly zeros: readonly number[];
  }[];
}
const reference = JSON.parse(
  readFileSync(new URL("../../../fixtures/quantization.json", import.meta.url), "utf8"),
) as Reference;

describe("the published form", () => {
  const sizes = {
    hidden_size: reference.inputs,
    intermediate_size: reference.weight.length / reference.inputs,
  };
  const shape = createTinyShape("llama", { ...sizes, num_attention_heads: 2, num_key_value_heads: 1 });
  const name = "model.layers.0.mlp.up_proj";
  const tensors = new Map(drawModelTensors(shape, 5));
  tensors.set(`${name}.weight`, {
    shape: tensors.get(`${name}.weight`)!.shape,
    data: Float32Array.from(reference.weight),
  });
  const lab = labWithInputs(Float64Array.from(reference.x), reference.inputs);

  it.each(reference.cases)("of $method has the codes of PyTorch with $options", async (expected) => {
    const hasForms = expected.method !== "hqq";
    const options = { ...expected.options, ...(hasForms ? { as: "published" } : {}) };
    const after = await applied(methods[expected.method]!, options, { shape, tensors }, lab);
    expect([...after.tensors.get(`${name}.weight_codes`)!.data]).toEqual(expected.codes);
    [...after.tensors.get(`${name}.weight_scales`)!.data].forEach((scale, i) =>
      expect(scale).toBeCloseTo(expected.scales[i]!, 6),
    );
    if (expected.options["symmetric"] === true) return;
    [...after.tensors.get(`${name}.weight_zeros`)!.data].forEach((zero, i) =>
      expect(zero).toBeCloseTo(expected.zeros[i]!, 5),
    );
  });
});

it("rounds halves to even, as torch.round does", () => {
  const halves = [-4.5, -3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
  expect(halves.map((each) => roundHalfToEven(each) + 0)).toEqual([-4, -4, -2, -2, 0, 0, 2, 2, 4]);
  const grid = computeGrid(-1.75, 1, { bits: 3, symmetric: true, signed_scale: false });
  expect(encodeValue(-1.75, grid, 3)).toBe(-4);
});

const measure = (values: Float64Array, importance: Float64Array, grid: Grid, bits: number) =>
  values.reduce(
    (sum, each, i) => sum + importance[i]! * (each - decodeValue(encodeValue(each, grid, bits), grid)) ** 2,
    0,
  );

describe.each([2, 3, 4])("with %d bits", (bits) => {
  const half = 2 ** (bits - 1);
  const random = createUniform(bits);
  const draw = (count: number) => Float64Array.from({ length: count }, () => (2 * random() - 1) ** 3);

  it("the extreme code represents the weight of the largest magnitude exactly", () => {
    for (const [low, high] of [
      [-1, 2],
      [-2, 1],
      [0, 3],
      [-3, 0],
    ] as const) {
      const grid = computeGrid(low, high, { bits, symmetric: true, signed_scale: true });
      const largest = high > -low ? high : low;
      expect(encodeValue(largest, grid, bits)).toBe(-half);
      expect(decodeValue(-half, grid)).toBe(largest);
    }
  });

  it.each([
    { symmetric: true, signed_scale: true },
    { symmetric: true, signed_scale: false },
    { symmetric: false, signed_scale: true },
  ])("the search of %o is never worse than the whole range, and near a fine scan", (options) => {
    for (let time = 0; time < 12; time++) {
      const values = draw(24);
      const importance = Float64Array.from(values, () => random() ** 2);
      const own = { ...options, bits };
      const found = chooseGrid(values, importance, { ...own, observer: "mse" });
      const whole = chooseGrid(values, importance, { ...own, observer: "minmax" });
      expect(whole).toEqual(computeGrid(Math.min(...values), Math.max(...values), own));
      const cost = measure(values, importance, found, bits);
      expect(cost).toBeLessThanOrEqual(measure(values, importance, whole, bits));
      const largest = Math.max(...values.map(Math.abs)) / (half - 1);
      const width = (Math.max(...values) - Math.min(...values)) / (2 * half - 1);
      const signs = options.symmetric && options.signed_scale ? [1, -1] : [1];
      const zeros = options.symmetric ? [0] : Array.from({ length: 2 * half }, (_, i) => i - half);
      let least = Infinity;
      for (let share = 0.2; share <= 1; share += 0.002)
        for (const sign of signs)
          for (const zero of zeros) {
            const scale = sign * share * (options.symmetric ? largest : width);
            least = Math.min(least, measure(values, importance, { scale, zero }, bits));
          }
      expect(cost).toBeLessThan(1.5 * least + 1e-12);
    }
  });
});

it("a group of zeros, and one without importance, keep a grid", () => {
  const zeros = chooseGrid(new Float64Array(4), undefined, {
    bits: 3,
    symmetric: true,
    signed_scale: true,
    observer: "mse",
  });
  expect(decodeValue(encodeValue(0, zeros, 3), zeros) + 0).toBe(0);
  const unused = chooseGrid(Float64Array.of(1, -2), new Float64Array(2), {
    bits: 3,
    symmetric: true,
    signed_scale: true,
    observer: "mse",
  });
  expect(unused).toEqual({ scale: 0.5, zero: 0 });
});

it("the improved form has a smaller error in the same bits, with scales of both signs", async () => {
  const before = tiny();
  const [inputs, outputs] = sizesOf(before);
  const x = correlated(60, inputs, 7);
  const dense = denseOf(before);
  for (const bits of [2, 3, 4]) {
    const [published, improved] = await Promise.all(
      ["published", "improved"].map((as) => applied(rtn, { bits, as }, before)),
    );
    expect(errorOf(dense, denseOf(improved!), outputs)).toBeLessThan(
      errorOf(dense, denseOf(published!), outputs),
    );
    expect(countModel(improved!.shape)).toEqual(countModel(published!.shape));
    const scales = [...improved!.tensors.get("model.layers.0.mlp.up_proj.weight_scales")!.data];
    expect(scales.some((each) => each < 0) && scales.some((each) => each > 0)).toBe(true);
    const lab = labWithInputs(x, inputs);
    const [old, own] = await Promise.all(
      ["published", "improved"].map((as) => applied(gptq, { bits, as }, before, lab)),
    );
    expect(errorOf(dense, denseOf(own!), outputs, x)).toBeLessThan(errorOf(dense, denseOf(old!), outputs, x));
  }
});
