/** Compares products on the engine with sums of products. */
import { afterAll, describe, expect, it } from "vitest";
import {
  EngineAlgebra,
  type Floats,
  loopAlgebra,
  type ProductSizes,
  type Transposes,
} from "../../../../src/backend/compression/algebra/products";
import { openEngine } from "../../../../src/backend/engine/open";
import { computeRelativeError, createUniform } from "../../../support/sampleValues";

const engine = await openEngine("cpu", { threads: 1 });
const algebra = new EngineAlgebra(engine);
afterAll(() => engine[Symbol.asyncDispose]());

function sumProducts(a: Floats, b: Floats, [m, k, n]: ProductSizes, { transposeA, transposeB }: Transposes) {
  return Float64Array.from({ length: m * n }, (_, place) => {
    const [i, j] = [Math.floor(place / n), place % n];
    let sum = 0;
    for (let l = 0; l < k; l++)
      sum +=
        a[transposeA === true ? l * m + i : i * k + l]! * b[transposeB === true ? j * k + l : l * n + j]!;
    return sum;
  });
}

describe.each([
  ["loops", loopAlgebra],
  ["the engine", algebra],
] as const)("products by %s", (_, tested) => {
  it.each([
    [3, 4, 5],
    [70, 60, 80],
    [1, 700, 500],
  ] as const)(
    "of %i × %i × %i equal sums of products, with each operand stored as its transpose",
    async (...sizes) => {
      const [m, k, n] = sizes;
      const random = createUniform(m);
      for (const [type, tolerance] of [
        [Float64Array, 1e-13],
        [Float32Array, 1e-5],
      ] as const)
        for (const transposeA of [false, true])
          for (const transposeB of [false, true]) {
            const [a, b] = [m * k, k * n].map(
              (length) => new type(Array.from({ length }, () => random() - 0.5)),
            );
            const transposes = { transposeA, transposeB };
            const product = await tested.multiply<Floats>(a!, b!, sizes, transposes);
            expect(product).toBeInstanceOf(type);
            const expected = sumProducts(a!, b!, sizes, transposes);
            expect(computeRelativeError(product, expected)).toBeLessThan(tolerance);
          }
    },
  );
});

describe("products", () => {
  it("do not change their operands, and read a part of a larger array", async () => {
    const n = 64;
    const random = createUniform(5);
    const whole = Float64Array.from({ length: 3 * n * n }, () => random());
    const before = whole.slice();
    const part = whole.subarray(n * n, 2 * n * n);
    const product = await algebra.multiply(part, part, [n, n, n]);
    expect(whole).toEqual(before);
    expect(computeRelativeError(product, sumProducts(part, part, [n, n, n], {}))).toBeLessThan(1e-13);
  });

  it("run in any number at once, of more shapes than programs are kept", async () => {
    const widths = Array.from({ length: 60 }, (_, i) => 64 + i);
    const products = await Promise.all(
      widths.map((n) => {
        const ones = new Float32Array(64 * n).fill(1);
        return algebra.multiply(ones, ones, [64, n, 64], { transposeB: true });
      }),
    );
    expect(products.map((each) => each[0])).toEqual(widths);
  });

  it("refuse operands of other sizes, or of different precision", async () => {
    const a = new Float64Array(6);
    await expect(loopAlgebra.multiply(a, a, [2, 3, 3])).rejects.toThrow(/length 6/);
    await expect(algebra.multiply<Floats>(a, new Float32Array(6), [2, 3, 2])).rejects.toThrow(/Float32Array/);
  });
});
