/** Hashed weights against the same formulas in PyTorch (scripts/reference/roast.py), and the properties that the papers promise. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { sub } from "../../../src/backend/graph/ops/elementwise";
import { sumSquares } from "../../../src/backend/graph/ops/reduction";
import hashed, {
  countUses,
  drawSigns,
  fitArray,
  type HashedOptions,
  listPlaces,
} from "../../../src/backend/representations/hashed";
import { drawHash, hashRange } from "../../../src/backend/representations/universalHash";
import { createMatrixSpec } from "../../support/matrix";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createLookup, createValues } from "../../support/tensors";

interface Case {
  readonly size: number;
  readonly scale: number;
  readonly places: readonly number[];
  readonly array: readonly number[];
  readonly weights: readonly number[];
  readonly loss: number;
  readonly sum: readonly number[];
  readonly mean: readonly number[];
  readonly fitted: readonly number[];
}
interface Figures {
  readonly runs: readonly [number, number];
  readonly signs: readonly (readonly [number, number])[];
  readonly row: readonly number[];
  readonly column: readonly number[];
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly dense: readonly number[];
  readonly cases: Readonly<Record<string, Case>>;
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/roast.json", import.meta.url), "utf8"),
) as Figures;

const matrix = createMatrixSpec(12, 6, { layout: "in_out" });
const rows = 5;
const createOptions = (given: object): HashedOptions => hashed.options.parse({ seed: 3, ...given });
const optionsOf = (name: string, given: object = {}): HashedOptions => {
  const { size, scale } = figures.cases[name]!;
  const mapping = name.startsWith("blocks") ? { mapping: "blocks", block: 5 } : {};
  return createOptions({ size, scale, ...mapping, ...given });
};

/** The squared error of y = x·W, its gradient in the array, and the weights. */
function evaluateLoss(options: HashedOptions, array: ArrayLike<number>) {
  const values = createValues(hashed.parameters(matrix, options));
  const product = hashed.apply(input("x", [rows, 12]), createLookup(values), matrix, options);
  const loss = sumSquares(sub(product, input("y", [rows, 6])), { axes: [0, 1], keepDims: false });
  const [gradient] = gradients(loss, [values.get("up.weight_array")!]);
  const results = evaluateGraph(
    { outputs: { loss, gradient: gradient! } },
    { x: [...figures.x], y: [...figures.y], "up.weight_array": Array.from(array) },
  );
  return { loss: results["loss"]![0]!, gradient: Array.from(results["gradient"]!) };
}

const materialize = (options: HashedOptions, array: Float32Array) =>
  hashed.materialize(() => array, matrix, options);

describe("the hash functions", () => {
  it("depend on the name and the seed alone, on every platform", () => {
    const [a, b] = figures.runs;
    expect(drawHash("layers.0.mlp.up_proj#runs", 3)).toEqual({ a, b });
    expect(drawHash("layers.0.mlp.up_proj#runs", 4)).not.toEqual({ a, b });
    expect(drawHash("layers.1.mlp.up_proj#runs", 3)).not.toEqual({ a, b });
  });

  it("are (a·k + b) mod p mod the range, as integers of any size compute it", () => {
    const constants = { a: 2 ** 31 - 3, b: 2 ** 31 - 2 };
    const wanted = Array.from({ length: 1000 }, (_, k) =>
      Number(((BigInt(constants.a) * BigInt(k) + BigInt(constants.b)) % (2n ** 31n - 1n)) % 37n),
    );
    expect(Array.from(hashRange(constants, 1000, 37))).toEqual(wanted);
  });

  it("give two weights the same sign in half of the functions", () => {
    let equal = 0;
    for (let seed = 0; seed < 2000; seed++) {
      const signs = drawSigns(matrix, createOptions({ size: 9, seed }));
      if (signs.inputs[2]! * signs.outputs[1]! === signs.inputs[7]! * signs.outputs[4]!) equal++;
    }
    // Four standard deviations of 2,000 fair draws.
    expect(Math.abs(equal - 1000)).toBeLessThan(4 * Math.sqrt(500));
  });
});

describe.each(Object.keys(figures.cases))("%s", (name) => {
  const wanted = figures.cases[name]!;
  const options = optionsOf(name);

  it("has the places and signs of the published mapping", () => {
    expect(Array.from(listPlaces(matrix, options))).toEqual(wanted.places);
    expect(Array.from(drawSigns(matrix, options).inputs)).toEqual(figures.row);
    expect(Array.from(drawSigns(matrix, options).outputs)).toEqual(figures.column);
  });

  it("has PyTorch's weights and loss", () => {
    const dense = materialize(options, Float32Array.from(wanted.array));
    expect(computeRelativeError(dense, wanted.weights)).toBeLessThan(1e-6);
    expect(evaluateLoss(options, wanted.array).loss).toBeCloseTo(wanted.loss, 8);
  });

  it("has PyTorch's gradients, as a sum and divided by the squared scales of the weights", () => {
    const sum = evaluateLoss(optionsOf(name, { gradient: "sum" }), wanted.array).gradient;
    const mean = evaluateLoss(optionsOf(name, { gradient: "mean" }), wanted.array).gradient;
    expect(computeRelativeError(sum, wanted.sum)).toBeLessThan(1e-9);
    expect(computeRelativeError(mean, wanted.mean)).toBeLessThan(1e-6);
  });

  it("fits the least-squares array of a dense matrix", () => {
    const fitted = fitArray(Float32Array.from(figures.dense), matrix, options);
    expect(computeRelativeError(fitted, wanted.fitted)).toBeLessThan(1e-6);
  });
});

describe("the array", () => {
  const dense = Float32Array.from(figures.dense);

  it("is the matrix itself, bit for bit, at the size of the matrix", () => {
    const options = createOptions({ size: 72 });
    const uses = countUses(matrix, options);
    expect(new Set(uses)).toEqual(new Set([1]));
    expect(materialize(options, fitArray(dense, matrix, options))).toEqual(dense);
  });

  it("of fold uses no entry more often than ⌈n / m⌉ times, and of blocks some", () => {
    for (const size of [1, 5, 17, 36, 71]) {
      const uses = countUses(matrix, createOptions({ size }));
      expect(Math.max(...uses)).toBe(Math.ceil(72 / size));
      expect(Math.min(...uses)).toBe(Math.floor(72 / size));
    }
    expect(Math.max(...countUses(matrix, createOptions({ size: 36, mapping: "blocks", block: 4 })))).toBeGreaterThan(2); // prettier-ignore
  });

  it("loses the more the smaller it is, by the variance within the weights of an entry", () => {
    const errors = [72, 54, 36, 18, 1].map((size) => {
      const options = createOptions({ size });
      const found = materialize(options, fitArray(dense, matrix, options));
      return found.reduce((total, each, i) => total + (each - dense[i]!) ** 2, 0);
    });
    expect(errors).toEqual([...errors].sort((a, b) => a - b));
    expect(errors[0]).toBe(0);
  });
});

describe("training by gradient descent", () => {
  /** The losses of `steps` steps from the weights of a common start, with entries of standard deviation 1 / scale. */
  function train(scale: number, gradient: string, steps = 30, rate = 0.02): number[] {
    const options = createOptions({ size: 24, scale, gradient });
    const random = createUniform(8);
    let array = Array.from({ length: 24 }, () => (random() - 0.5) / scale);
    return Array.from({ length: steps }, () => {
      const { loss, gradient: step } = evaluateLoss(options, array);
      array = array.map((each, i) => each - rate * step[i]!);
      return loss;
    });
  }

  it("takes the same steps for every initial scale of the array, as STABLE-RPS shows", () => {
    const wanted = train(1, "mean");
    expect(wanted.at(-1)).toBeLessThan(0.6 * wanted[0]!);
    for (const scale of [0.01, 0.1, 10, 100])
      expect(computeRelativeError(train(scale, "mean"), wanted)).toBeLessThan(1e-5);
  });

  it("with plain sums diverges for small arrays and barely moves for large ones, as in ROAST", () => {
    const large = train(10, "sum");
    expect(large.at(-1)! > 1e6 * large[0]! || Number.isNaN(large.at(-1)!)).toBe(true);
    const small = train(0.01, "sum");
    expect(small.at(-1)).toBeGreaterThan(0.99 * small[0]!);
  });
});

it("counts the array, the seed, a scale and a former layer", () => {
  const bits = (given: object) => hashed.count(matrix, createOptions(given)).bits;
  expect(bits({ size: 31 })).toBe(31 * 32 + 32);
  expect(bits({ size: 31, scale: 2 })).toBe(31 * 32 + 64);
  expect(bits({ size: 31, scale: 2, drawn_as: "layers.3.mlp.up_proj" })).toBe(31 * 32 + 96);
});

it("refuses arrays larger than the matrix and blocks larger than the array", () => {
  const reason = (given: object) => hashed.refuses?.(matrix, createOptions(given));
  expect(reason({ size: 73 })).toMatch(/array of 73 scalars would be larger than its 72 weights/);
  expect(reason({ size: 31, mapping: "blocks" })).toMatch(
    /block of 32 weights does not fit into an array of 31/,
  );
  expect(reason({ size: 31 })).toBeUndefined();
});
