/** Seeded values for the inputs of an operation's samples, and finite differences in double precision. */
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import {
  type AnyOp,
  type Attrs,
  input,
  parameter,
  type Sample,
  sizeOf,
  type Value,
} from "../../src/backend/graph/op";

/** Uniform numbers in [0, 1), the same for the same seed everywhere. */
export function createUniform(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => (generator.next() >>> 0) / 2 ** 32;
}

export interface DrawnInput {
  readonly value: Value;
  readonly name: string;
  readonly numbers: number[];
}

/** Named inputs of a sample with random numbers; floats become parameters, so that they have gradients. */
export function drawInputs(sample: Sample<Attrs>, seed: number): DrawnInput[] {
  const random = createUniform(seed);
  return sample.inputs.map((each, i) => {
    const { dtype, shape, range } =
      "dtype" in each ? each : { dtype: "float32" as const, shape: each, range: undefined };
    const [low, high] = range ?? (dtype === "bool" ? [0, 2] : (sample.range ?? [-1, 1]));
    const numbers = Array.from({ length: sizeOf(shape) }, () => low + random() * (high - low)).map(
      (number) => (dtype === "float32" ? Math.fround(number) : Math.floor(number)),
    );
    const name = `x${i}`;
    return { name, numbers, value: dtype === "float32" ? parameter(name, shape) : input(name, shape, dtype) };
  });
}

export function applyOp(op: AnyOp, inputs: readonly Value[], attrs: Attrs): Value {
  const call = op as unknown as (...args: readonly unknown[]) => Value;
  return Object.keys(attrs).length === 0 ? call(...inputs) : call(...inputs, attrs);
}

/** dL/dx of a scalar graph by central differences: one number per element of `name`. */
export function computeCentralDifferences(
  loss: Value,
  feeds: Readonly<Record<string, number[]>>,
  name: string,
  step = 1e-5,
): Float64Array {
  const numbers = feeds[name]!;
  const computeLossAt = (i: number, number: number) => {
    const shifted = numbers.slice();
    shifted[i] = number;
    return evaluateGraph({ outputs: { loss } }, { ...feeds, [name]: shifted }).loss![0]!;
  };
  return Float64Array.from(
    numbers,
    (number, i) => (computeLossAt(i, number + step) - computeLossAt(i, number - step)) / (2 * step),
  );
}

/** The largest difference, relative to the largest expected magnitude. */
export function computeRelativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let scale = 1e-12;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]!));
    worst = Math.max(worst, Math.abs(actual[i]! - expected[i]!));
    if (Number.isNaN(actual[i])) return Infinity;
  }
  return actual.length === expected.length ? worst / scale : Infinity;
}
