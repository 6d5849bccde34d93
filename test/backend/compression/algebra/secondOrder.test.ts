/** Compares SparseGPT, Wanda, GPTQ and rounding with their closed forms. */
import { describe, expect, it } from "vitest";
import gptq from "../../../../src/backend/methods/gptq";
import magnitude from "../../../../src/backend/methods/magnitude";
import rtn from "../../../../src/backend/methods/rtn";
import { encodeValue, computeGrid, decodeValue } from "../../../../src/backend/compression/quantization/grid";
import { computeCurvature, decideAll } from "../../../../src/backend/compression/algebra/secondOrder";
import { loopAlgebra } from "../../../../src/backend/compression/algebra/products";
import { cholesky } from "../../../../src/backend/compression/algebra/linearAlgebra";
import sparsegpt from "../../../../src/backend/methods/sparsegpt";
import wanda from "../../../../src/backend/methods/wanda";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";
import {
  applied,
  correlated,
  denseOf,
  errorOf,
  gramOf,
  labWithInputs,
  sizesOf,
  tiny,
} from "../../methods/shrinkSamples";

const before = tiny();
const [inputs, outputs] = sizesOf(before);
const dense = denseOf(before);
const x = correlated(60, inputs, 7);
const lab = labWithInputs(x, inputs);
const isotropic = Float64Array.from({ length: inputs * inputs }, (_, i) => Number(i % (inputs + 1) === 0));

/**
 * Each output's best weights on the kept inputs, by the normal equations: the smallest error that compensation can
 * reach.
 */
function leastSquares(kept: Float32Array): Float32Array {
  const gram = gramOf(x, inputs);
  const out = new Float32Array(dense.length);
  for (let output = 0; output < outputs; output++) {
    const rows = Array.from({ length: inputs }, (_, i) => i).filter((i) => kept[i * outputs + output] !== 0);
    const n = rows.length;
    const a = rows.map((i) => rows.map((j) => gram[i * inputs + j]!));
    const b = rows.map((i) => {
      let sum = 0;
      for (let j = 0; j < inputs; j++) sum += gram[i * inputs + j]! * dense[j * outputs + output]!;
      return sum;
    });
    for (let p = 0; p < n; p++)
      for (let r = p + 1; r < n; r++) {
        const factor = a[r]![p]! / a[p]![p]!;
        for (let c = p; c < n; c++) a[r]![c]! -= factor * a[p]![c]!;
        b[r]! -= factor * b[p]!;
      }
    for (let p = n - 1; p >= 0; p--) {
      for (let c = p + 1; c < n; c++) b[p]! -= a[p]![c]! * b[c]!;
      b[p]! /= a[p]![p]!;
      out[rows[p]! * outputs + output] = b[p]!;
    }
  }
  return out;
}

describe("SparseGPT", () => {
  it("has a smaller error than its mask alone, and no smaller one than least squares on the mask", async () => {
    for (const given of [{ sparsity: 0.5 }, { mask_structure: "2:4" }]) {
      const after = denseOf(await applied(sparsegpt, { ...given, damping: 1e-6 }, before, lab));
      const onlyMasked = dense.map((each, i) => (after[i] === 0 ? 0 : each));
      const [own, mask, best] = [after, onlyMasked, leastSquares(after)].map((each) =>
        errorOf(dense, each, outputs, x),
      );
      expect(own!).toBeLessThan(mask!);
      expect(own!).toBeGreaterThanOrEqual(best! * (1 - 1e-4));
    }
  });

  it("keeps exactly two of every four inputs, and exactly the requested share", async () => {
    const pattern = denseOf(await applied(sparsegpt, { mask_structure: "2:4" }, before, lab));
    for (let output = 0; output < outputs; output++)
      for (let first = 0; first < inputs; first += 4) {
        const group = [0, 1, 2, 3].map((i) => pattern[(first + i) * outputs + output]);
        expect(group.filter((each) => each === 0)).toHaveLength(2);
      }
    const half = denseOf(await applied(sparsegpt, { sparsity: 0.3, block_size: 5 }, before, lab));
    expect(half.filter((each) => each === 0)).toHaveLength(Math.floor(0.3 * dense.length));
  });

  it("equals Wanda without compensation if the inputs are independent", async () => {
    const single = labWithInputs(
      isotropic.map((each, i) => each * (1 + (i % inputs) / 10)),
      inputs,
    );
    const given = { mask_structure: "2:4" };
    const own = denseOf(await applied(sparsegpt, { ...given, damping: 0 }, before, single));
    const other = denseOf(await applied(wanda, given, before, single));
    expect(own).toEqual(other);
  });

  it("removes dead inputs, damps a singular H, and reports both", async () => {
    const few = correlated(3, inputs, 9).map((each, i) => (i % inputs === 2 ? 0 : each));
    const said: string[] = [];
    const after = denseOf(
      await applied(sparsegpt, { sparsity: 0.25, damping: 0 }, before, labWithInputs(few, inputs, said)),
    );
    expect(after.every(Number.isFinite)).toBe(true);
    expect([...after.subarray(2 * outputs, 3 * outputs)]).toEqual(Array(outputs).fill(0));
    expect(said.join("\n")).toMatch(/1 of its inputs are zero throughout the calibration text/);
    expect(said.join("\n")).toMatch(/singular with a damping of 0, so .* was used/);
  });
});

it("the curvature is a triangular factor of the inverse of H", async () => {
  const gram = gramOf(x, inputs);
  const { upper } = await computeCurvature(loopAlgebra, gram, inputs, 0);
  // H⁻¹ = UᵀU, so that U·H·Uᵀ is the identity.
  const product = Array.from({ length: inputs * inputs }, (_, place) => {
    const [i, j] = [Math.floor(place / inputs), place % inputs];
    let sum = 0;
    for (let k = 0; k < inputs; k++)
      for (let l = 0; l < inputs; l++)
        sum += upper[i * inputs + k]! * gram[k * inputs + l]! * upper[j * inputs + l]!;
    return sum;
  });
  expect(computeRelativeError(product, [...isotropic])).toBeLessThan(1e-8);
  expect(cholesky(gram, inputs)).toBeDefined();
});

it("decisions compensate their errors at once within a block and by a product after it", async () => {
  const [n, rows] = [10, 3];
  const features = correlated(40, n, 4);
  const curvature = await computeCurvature(loopAlgebra, gramOf(features, n), n, 0.01);
  const first = Float64Array.from({ length: rows * n }, (_, i) => Math.sin(3 * i + 1));
  // Every error is compensated at once, as in optimal brain surgeon.
  const expected = first.slice();
  for (let row = 0; row < rows; row++)
    for (let i = 0; i < n; i++) {
      const value = expected[row * n + i]!;
      const error = (value - Math.round(4 * value) / 4) / curvature.upper[i * n + i]!;
      for (let k = i; k < n; k++) expected[row * n + k]! -= error * curvature.upper[i * n + k]!;
    }
  for (const blockSize of [1, 3, 4, 10, 128]) {
    const weights = first.slice();
    const blocks: number[] = [];
    await decideAll(
      loopAlgebra,
      weights,
      rows,
      curvature,
      {
        beforeBlock: (from, to) => blocks.push(from, to),
        decide: (_output, _input, value) => Math.round(4 * value) / 4,
      },
      blockSize,
    );
    expect(computeRelativeError(weights, expected)).toBeLessThan(1e-12);
    expect(blocks.slice(0, 2)).toEqual([0, Math.min(n, blockSize)]);
    expect(blocks.at(-1)).toBe(n);
  }
});

describe("Wanda", () => {
  it("prunes the same share of every output, whatever its magnitude", async () => {
    const after = denseOf(await applied(wanda, { sparsity: 0.4 }, before, lab));
    for (let output = 0; output < outputs; output++) {
      const gone = Array.from({ length: inputs }, (_, i) => after[i * outputs + output]).filter(
        (each) => each === 0,
      );
      expect(gone).toHaveLength(Math.floor(0.4 * inputs));
    }
    const scaled = tiny();
    const name = [...scaled.tensors.keys()].find((each) => each.includes("layers.0.mlp.up_proj"))!;
    const { data } = scaled.tensors.get(name)! as { data: Float32Array };
    // In [outputs, inputs], the third output is eight times as large.
    data.subarray(2 * inputs, 3 * inputs).forEach((each, i) => (data[2 * inputs + i] = each * 8));
    const larger = denseOf(await applied(wanda, { sparsity: 0.4 }, scaled, lab));
    expect(larger.map((each) => Number(each === 0))).toEqual(after.map((each) => Number(each === 0)));
  });

  it("equals magnitude pruning by output if all inputs are alike", async () => {
    const alike = labWithInputs(isotropic, inputs);
    expect(denseOf(await applied(wanda, { sparsity: 0.5 }, before, alike))).toEqual(
      denseOf(await applied(magnitude, { sparsity: 0.5, scope: "row" }, before)),
    );
  });
});

describe("rounding", () => {
  it("is off by at most half a step, and does not change values that are already rounded", async () => {
    for (const symmetric of [true, false])
      for (const bits of [2, 3, 4, 5, 8]) {
        const random = createUniform(bits);
        const values = Array.from({ length: 50 }, () => 3 * random() - 1);
        const grid = computeGrid(Math.min(...values), Math.max(...values), {
          bits,
          symmetric,
          signed_scale: false,
        });
        for (const value of values) {
          const code = encodeValue(value, grid, bits);
          expect(code).toBeGreaterThanOrEqual(-(2 ** (bits - 1)));
          expect(code).toBeLessThan(2 ** (bits - 1));
          expect(Math.abs(decodeValue(code, grid) - value)).toBeLessThanOrEqual(grid.scale / 2 + 1e-6);
          expect(encodeValue(decodeValue(code, grid), grid, bits)).toBe(code);
        }
        expect(decodeValue(encodeValue(0, grid, bits), grid)).toBe(0);
      }
    const once = await applied(rtn, { bits: 8 }, before);
    expect(errorOf(dense, denseOf(once), outputs)).toBeGreaterThan(0);
  });

  it("keeps a matrix of zeros", () => {
    const grid = computeGrid(0, 0, { bits: 4, symmetric: false, signed_scale: false });
    expect(decodeValue(encodeValue(0, grid, 4), grid)).toBe(0);
  });
});

describe("GPTQ", () => {
  it.each([
    { bits: 4 },
    { bits: 3, group_size: 4 },
    { bits: 2, symmetric: false },
    { bits: 3, act_order: true },
  ])("with %o has no larger error in the products than rounding", async (given) => {
    const { act_order: _, ...plain } = given as Readonly<Record<string, unknown>>;
    const own = denseOf(await applied(gptq, given, before, lab));
    const rounded = denseOf(await applied(rtn, plain, before));
    expect(errorOf(dense, own, outputs, x)).toBeLessThan(errorOf(dense, rounded, outputs, x));
  });

  it("equals rounding, bit for bit, if the inputs are independent", async () => {
    const single = labWithInputs(isotropic, inputs);
    for (const given of [
      { bits: 4 },
      { bits: 3, group_size: 4, symmetric: false },
      { bits: 4, as: "published" },
      { bits: 3, group_size: 4, symmetric: false, as: "published" },
    ])
      expect(denseOf(await applied(gptq, given, before, single))).toEqual(
        denseOf(await applied(rtn, given, before)),
      );
  });
});
