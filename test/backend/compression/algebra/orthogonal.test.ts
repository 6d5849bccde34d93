/** Hadamard matrices of many sizes, and rotations that are orthogonal and keep the mean where they have to. */
import { describe, expect, it } from "vitest";
import {
  createHadamard,
  createRandomBasis,
  createRotation,
} from "../../../../src/backend/compression/algebra/orthogonal";
import { createUniform } from "../../../support/sampleValues";

/** The largest difference of A·Aᵀ from a multiple of the identity. */
function measureFault(a: ArrayLike<number>, n: number, diagonal: number): number {
  let worst = 0;
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let product = i === j ? -diagonal : 0;
      for (let k = 0; k < n; k++) product += a[i * n + k]! * a[j * n + k]!;
      worst = Math.max(worst, Math.abs(product));
    }
  return worst;
}

it.each([1, 2, 4, 8, 12, 16, 20, 24, 28, 36, 40, 44, 48, 56, 60, 64, 76, 96])("finds one of size %i", (n) => {
  const h = createHadamard(n)!;
  expect(new Set(h.map(Math.abs))).toEqual(new Set([1]));
  expect([...h.subarray(0, n)]).toEqual(Array.from({ length: n }, () => 1));
  expect(measureFault(h, n, n)).toBe(0);
});

it.each([3, 5, 6, 10, 14, 18, 30, 63])("finds none of size %i", (n) => {
  expect(createHadamard(n)).toBeUndefined();
});

it("finds one of the widths of published models", () => {
  for (const n of [288, 768, 896]) expect(createHadamard(n)).toBeDefined();
});

it("makes a random orthogonal basis with a constant first row", () => {
  const basis = createRandomBasis(9, createUniform(4));
  expect(measureFault(basis, 9, 1)).toBeLessThan(1e-12);
  for (const each of basis.subarray(0, 9)) expect(each).toBeCloseTo(1 / 3, 12);
});

describe.each([16, 12, 10])("a rotation of %i channels", (n) => {
  const isKnown = createHadamard(n) !== undefined;

  it.each([true, false])("is orthogonal; keeps the mean: %s", (keepsMean) => {
    const { q, kind } = createRotation(n, { kind: "hadamard", keepsMean }, createUniform(5));
    expect(kind).toBe(isKnown ? "hadamard" : "random");
    expect(measureFault(q, n, 1)).toBeLessThan(1e-12);
    const sums = Array.from({ length: n }, (_, i) =>
      q.subarray(i * n, (i + 1) * n).reduce((a, b) => a + b, 0),
    );
    const isKept = sums.every((each) => Math.abs(each - 1) < 1e-12);
    expect(isKept).toBe(keepsMean);
  });

  it("spreads one channel over all of them", () => {
    const { q } = createRotation(n, { kind: "hadamard", keepsMean: false }, createUniform(5));
    const largest = Math.max(...Array.from(q, Math.abs));
    expect(largest).toBeLessThan(isKnown ? 1 / Math.sqrt(n) + 1e-12 : 0.95);
    expect(createRotation(n, { kind: "hadamard", keepsMean: false }, createUniform(5)).q).toEqual(q);
    expect(createRotation(n, { kind: "hadamard", keepsMean: false }, createUniform(6)).q).not.toEqual(q);
  });
});
