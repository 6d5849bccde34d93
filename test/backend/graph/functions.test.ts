import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { gelu } from "../../../src/backend/graph/composites/activations";
import { dropout, iota, rope } from "../../../src/backend/graph/functions";
import { encodeOnnx } from "../../../src/backend/graph/onnx";
import { constant, input, parameter, scalar, type Value } from "../../../src/backend/graph/op";
import { add, mul } from "../../../src/backend/graph/ops/elementwise";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { computeCentralDifferences, computeRelativeError, createUniform } from "../../support/sampleValues";

const total = (x: Value) => sum(x, { axes: x.type.shape.map((_, axis) => axis), keepDims: false });
const evaluate = (y: Value, feeds: Record<string, ArrayLike<number>> = {}) =>
  evaluateGraph({ outputs: { y } }, feeds)["y"]!;

it("iota counts from zero", () => {
  expect(iota(4).type).toEqual({ dtype: "int32", shape: [4] });
  expect([...evaluate(iota(4))]).toEqual([0, 1, 2, 3]);
});

describe("gelu", () => {
  const x = parameter("x", [5]);

  it("has the known values of x·Φ(x)", () => {
    const got = evaluate(gelu(x), { x: [-3, -1, 0, 1, 2] });
    const wanted = [-0.004049694095, -0.158655253931, 0, 0.841344746069, 1.954499736104];
    wanted.forEach((each, i) => expect(got[i]).toBeCloseTo(each, 7));
  });

  it("has the gradient that finite differences give", () => {
    const feeds = { x: [-2, -0.5, 0, 0.3, 1.7] };
    const [gradient] = gradients(total(gelu(x)), [x]);
    const wanted = computeCentralDifferences(total(gelu(x)), feeds, "x");
    expect(computeRelativeError(evaluate(gradient!, feeds), wanted)).toBeLessThan(1e-6);
  });
});

describe("rope", () => {
  const random = createUniform(3);
  const angles = Float32Array.from({ length: 12 }, () => random() * 6);
  const twice = (f: (x: number) => number) =>
    constant(
      Float32Array.from({ length: 24 }, (_, i) => f(angles[Math.floor(i / 8) * 4 + (i % 4)]!)),
      [3, 8],
    );
  const [cos, sin] = [twice(Math.cos), twice(Math.sin)];
  const x = parameter("x", [2, 3, 8]);
  const numbers = Array.from({ length: 48 }, () => random() - 0.5);

  it("rotates each pair of channels by its angle", () => {
    const got = evaluate(rope(x, cos, sin), { x: numbers });
    for (let row = 0; row < 6; row++)
      for (let i = 0; i < 4; i++) {
        const angle = angles[(row % 3) * 4 + i]!;
        const [a, b] = [numbers[row * 8 + i]!, numbers[row * 8 + i + 4]!];
        expect(got[row * 8 + i]).toBeCloseTo(a * Math.cos(angle) - b * Math.sin(angle), 6);
        expect(got[row * 8 + i + 4]).toBeCloseTo(b * Math.cos(angle) + a * Math.sin(angle), 6);
      }
  });

  it("is orthogonal: it keeps lengths, and products depend only on the difference of angles", () => {
    const norm = (values: Float64Array) => Math.hypot(...values);
    const got = evaluate(rope(x, cos, sin), { x: numbers });
    for (let row = 0; row < 6; row++)
      expect(norm(got.subarray(row * 8, row * 8 + 8))).toBeCloseTo(
        norm(Float64Array.from(numbers.slice(row * 8, row * 8 + 8))),
        6,
      );
    const turned = (position: number, vector: readonly number[]) => {
      const rates = [1, 0.1, 0.01, 0.001].map((rate) => rate * position);
      const table = (f: (x: number) => number) => constant(Float32Array.from([...rates, ...rates], f), [8]);
      return evaluate(rope(parameter("v", [8]), table(Math.cos), table(Math.sin)), { v: vector });
    };
    const [q, k] = [numbers.slice(0, 8), numbers.slice(8, 16)];
    const product = (m: number, n: number) =>
      turned(m, q).reduce((sum, each, i) => sum + each * turned(n, k)[i]!, 0);
    expect(product(7, 3)).toBeCloseTo(product(14, 10), 6);
    expect(product(7, 3)).not.toBeCloseTo(product(7, 4), 3);
  });

  it("has the inverse rotation as its gradient, as finite differences confirm", () => {
    const loss = total(mul(rope(x, cos, sin), parameter("w", [2, 3, 8])));
    const feeds = { x: numbers, w: numbers.map((each, i) => each * (i % 5)) };
    const [gradient] = gradients(loss, [x]);
    const got = evaluate(gradient!, feeds);
    expect(computeRelativeError(got, computeCentralDifferences(loss, feeds, "x"))).toBeLessThan(1e-6);
    const back = evaluate(rope(parameter("w", [2, 3, 8]), cos, mul(sin, scalar(-1))), feeds);
    expect(computeRelativeError(got, back)).toBeLessThan(1e-12);
  });
});

describe("dropout", () => {
  const [rows, width] = [128, 256];
  const count = rows * width;
  const seedInput = input("seed", [], "int32");
  const x = parameter("x", [rows, width]);
  const ones = new Float64Array(count).fill(1);
  /** 1 for a kept element, -1 for a dropped one. */
  const signs = (seed: number, site = 0, rate = 0.5) =>
    evaluate(dropout(x, rate, seedInput, site), { x: ones, seed: [seed] }).map((each) =>
      each === 0 ? -1 : 1,
    );
  /** In standard deviations of the sum of independent fair coin flips. */
  const correlation = (a: Float64Array, b: Float64Array, lag = 0) => {
    let product = 0;
    for (let i = 0; i + lag < count; i++) product += a[i]! * b[i + lag]!;
    return product / Math.sqrt(count - lag);
  };
  /** Root mean square: 1 for independent numbers of variance 1. */
  const spread = (scores: readonly number[]) =>
    Math.sqrt(scores.reduce((sum, each) => sum + each ** 2, 0) / scores.length);

  const masks = Array.from({ length: 24 }, (_, i) =>
    signs(Math.floor(i / 4) * (i < 12 ? 1 : 104_729), i % 4),
  );

  it("is the identity at rate 0", () => expect(dropout(x, 0, seedInput, 0)).toBe(x));

  it.each([0.05, 0.1, 0.5, 0.9])(
    "drops a share of %f, and scales the rest so that the mean is preserved",
    (rate) => {
      const scores = Array.from({ length: 8 }, (_, seed) => {
        const y = evaluate(dropout(x, rate, seedInput, seed), { x: ones, seed: [seed * 7919] });
        const kept = y.filter((each) => each !== 0);
        expect(kept.every((each) => Math.abs(each * (1 - rate) - 1) < 1e-6)).toBe(true);
        expect(Math.abs(y.reduce((sum, each) => sum + each, 0) / count - 1)).toBeLessThan(
          4.5 * Math.sqrt(rate / (1 - rate) / count),
        );
        return (count - kept.length - rate * count) / Math.sqrt(rate * (1 - rate) * count);
      });
      expect(Math.max(...scores.map(Math.abs))).toBeLessThan(4.5);
    },
  );

  it("draws the same mask for the same seed and site, regardless of the values", () => {
    expect(signs(12, 3)).toEqual(signs(12, 3));
    const other = evaluate(dropout(x, 0.5, seedInput, 3), { x: ones.map((_, i) => i + 1), seed: [12] });
    expect(other.map((each) => (each === 0 ? -1 : 1))).toEqual(signs(12, 3));
  });

  it("draws masks of different seeds and sites without correlation, including consecutive numbers", () => {
    const scores = masks.flatMap((a, i) => masks.slice(0, i).map((b) => correlation(a, b)));
    expect(spread(scores)).toBeLessThan(1.2);
    expect(Math.max(...scores.map(Math.abs))).toBeLessThan(5);
  });

  it("draws masks without correlation between positions, along and across rows", () => {
    for (const lag of [1, 2, 3, 5, 16, 64, width - 1, width, width + 1, 2 * width, 4096])
      expect(spread(masks.map((mask) => correlation(mask, mask, lag))), `distance ${lag}`).toBeLessThan(1.6);
  });

  it("draws masks that are not shifted copies of each other", () => {
    const shifts = Array.from({ length: 60 }, (_, i) =>
      correlation(masks[i % 24]!, masks[(i * 7 + 5) % 24]!, 1 + i * 17),
    );
    expect(Math.max(...shifts.map(Math.abs))).toBeLessThan(5);
  });

  it("drops equally across rows and columns", () => {
    const sums = (length: number, index: (line: number, i: number) => number) => (mask: Float64Array) =>
      Array.from({ length: count / length }, (_, line) => {
        let sum = 0;
        for (let i = 0; i < length; i++) sum += mask[index(line, i)]!;
        return sum / Math.sqrt(length);
      });
    expect(spread(masks.flatMap(sums(width, (row, i) => row * width + i)))).toBeCloseTo(1, 1);
    expect(spread(masks.flatMap(sums(rows, (column, i) => i * width + column)))).toBeCloseTo(1, 1);
  });

  it("works on tensors of any rank", () => {
    for (const shape of [[], [7], [2, 3, 4, 5]]) {
      const y = dropout(parameter("x", shape), 0.5, seedInput, 1);
      expect(y.type.shape).toEqual(shape);
      const size = shape.reduce((a, b) => a * b, 1);
      for (const each of evaluate(y, { x: new Float64Array(size).fill(1), seed: [4] }))
        expect([0, 2]).toContain(each);
    }
  });

  it("passes gradients through the mask of the values", () => {
    const loss = total(mul(dropout(x, 0.3, seedInput, 2), x));
    const numbers = ones.map((_, i) => 1 + (i % 7));
    const feeds = { x: numbers, seed: [99] };
    const [gradient] = gradients(loss, [x]);
    const y = evaluate(dropout(x, 0.3, seedInput, 2), feeds);
    // L = Σ mask·x²/(1 - rate), so dL/dx = 2·mask·x/(1 - rate).
    expect(
      computeRelativeError(
        evaluate(gradient!, feeds),
        y.map((each) => 2 * each),
      ),
    ).toBeLessThan(1e-12);
  });

  it("stores few numbers in the graph, however many it draws", () => {
    const large = dropout(parameter("x", [8, 12, 512, 512]), 0.1, seedInput, 0);
    expect(encodeOnnx({ outputs: { y: add(large, scalar(1)) } }).length).toBeLessThan(300_000);
  });
});
