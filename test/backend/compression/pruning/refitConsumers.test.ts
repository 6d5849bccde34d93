/** Fitting the weights of what remains: the normal equations, and cases with a known answer. */
import { expect, it } from "vitest";
import { computeRowGram, transpose } from "../../../../src/backend/compression/algebra/linearAlgebra";
import { loopAlgebra } from "../../../../src/backend/compression/algebra/products";
import { fitKept } from "../../../../src/backend/compression/pruning/refitConsumers";
import { createUniform } from "../../../support/sampleValues";

const [rows, inputs, outputs] = [40, 6, 3];
const drawn = (size: number, seed: number) => {
  const next = createUniform(seed);
  return Float64Array.from({ length: size }, () => 2 * next() - 1);
};
const gramOf = (x: Float64Array) => computeRowGram(transpose(x, rows, inputs), inputs, rows);

/** Σ (X·W − X·W')² */
function distance(x: Float64Array, was: ArrayLike<number>, is: ArrayLike<number>): number {
  let total = 0;
  for (let t = 0; t < rows; t++)
    for (let o = 0; o < outputs; o++) {
      let difference = 0;
      for (let i = 0; i < inputs; i++)
        difference += x[t * inputs + i]! * (was[i * outputs + o]! - is[i * outputs + o]!);
      total += difference ** 2;
    }
  return total;
}

const isKept = [true, false, true, true, false, true];
const weights = drawn(inputs * outputs, 1);

it("leaves no weight whose change would reduce the difference of the products", async () => {
  const x = drawn(rows * inputs, 2);
  const fitted = await fitKept(loopAlgebra, weights, gramOf(x), isKept, outputs, 0);
  const least = distance(x, weights, fitted);
  const dropped = weights.map((each, i) => (isKept[Math.floor(i / outputs)]! ? each : 0));
  expect(least).toBeLessThan(distance(x, weights, dropped));
  fitted.forEach((each, i) => {
    if (!isKept[Math.floor(i / outputs)]!) expect(each).toBe(0);
    else
      for (const step of [-1e-3, 1e-3]) {
        const moved = fitted.slice();
        moved[i]! += step;
        expect(distance(x, weights, moved)).toBeGreaterThan(least);
      }
  });
});

it("restores what a removed input did if it follows from the others", async () => {
  const x = drawn(rows * inputs, 3);
  for (let t = 0; t < rows; t++) {
    x[t * inputs + 1] = x[t * inputs]! - 2 * x[t * inputs + 2]!;
    x[t * inputs + 4] = 3 * x[t * inputs + 5]!;
  }
  expect(
    distance(x, weights, await fitKept(loopAlgebra, weights, gramOf(x), isKept, outputs, 0)),
  ).toBeLessThan(1e-18);
});

it("changes nothing where nothing is removed, and damps toward the weights there were", async () => {
  const x = drawn(rows * inputs, 4);
  const all = isKept.map(() => true);
  expect(await fitKept(loopAlgebra, weights, gramOf(x), all, outputs, 0.01)).toEqual(weights);
  const change = async (damping: number) => {
    const fitted = await fitKept(loopAlgebra, weights, gramOf(x), isKept, outputs, damping);
    return fitted.reduce(
      (sum, each, i) => sum + (isKept[Math.floor(i / outputs)]! ? (each - weights[i]!) ** 2 : 0),
      0,
    );
  };
  expect(await change(1)).toBeLessThan(await change(0.01));
  expect(await change(0.01)).toBeLessThan(await change(0));
});

it("keeps the weights of inputs that are always zero, and copes with fewer rows than inputs", async () => {
  const zero = new Float64Array(inputs * inputs);
  expect((await fitKept(loopAlgebra, weights, zero, isKept, outputs, 0.01))[0]).toBe(weights[0]);
  const one = drawn(inputs, 5);
  const gram = Float64Array.from(
    { length: inputs * inputs },
    (_, i) => one[Math.floor(i / inputs)]! * one[i % inputs]!,
  );
  for (const each of await fitKept(loopAlgebra, weights, gram, isKept, outputs, 0))
    expect(Number.isFinite(each)).toBe(true);
});
