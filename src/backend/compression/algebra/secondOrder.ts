/**
 * Optimal brain surgeon along the inputs of a matrix, as SparseGPT (Frantar and Alistarh 2023) and GPTQ (Frantar et al. 2022)
 * do it: the inputs of an output are decided one after the other, and what each decision changes in the product is made up
 * for by those that are still to come, by way of the inverse of H = XᵀX.
 */
import { matmul } from "../../graph/ops/matmul";
import { sum } from "../../graph/ops/reduction";
import { cholesky, inverseOfLower } from "./linearAlgebra";
import type { Tap } from "../calibration/observe";

export interface Curvature {
  readonly inputs: number;
  /** Upper triangular U with H⁻¹ = Uᵀ·U, of the damped H; [inputs, inputs]. */
  readonly upper: Float64Array;
  /** Inputs that were never anything but zero: whatever their weights are, nobody sees it. */
  readonly dead: readonly number[];
  /** The damping that it took, as a share of the mean of H's diagonal. */
  readonly damping: number;
}

/** More than this of the mean diagonal, and H says nothing any more. */
const mostDamping = 1;

/** `gram` is XᵀX [inputs, inputs]; damped ten times as much whenever it is still singular. */
export function curvatureOf(gram: Float64Array, inputs: number, damping: number): Curvature {
  const n = inputs;
  const dead: number[] = [];
  const own = gram.slice();
  for (let i = 0; i < n; i++)
    if (!(own[i * n + i]! > 0)) {
      dead.push(i);
      own[i * n + i] = 1;
    }
  let mean = 0;
  for (let i = 0; i < n; i++) mean += own[i * n + i]! / n;
  for (let share = damping; ; share = Math.max(share * 10, 1e-6)) {
    // H = R·Rᵀ with R upper triangular, by factoring H from its end; then U = R⁻¹.
    const turned = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        turned[i * n + j] = own[(n - 1 - i) * n + (n - 1 - j)]! + (i === j ? share * mean : 0);
    const lower = cholesky(turned, n);
    if (lower === undefined && share < mostDamping) continue;
    if (lower === undefined) throw new Error("H stays singular at any damping: its entries are no numbers.");
    const inverse = inverseOfLower(lower, n);
    const upper = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = i; j < n; j++) upper[i * n + j] = inverse[(n - 1 - i) * n + (n - 1 - j)]!;
    return { inputs, upper, dead, damping: share };
  }
}

/** The statistics that curvature is made of. */
export const curvatureTap: Tap = (x, counted) => ({
  gram: matmul(x, x, { transposeA: true }),
  tokens: sum(counted, { axes: [0], keepDims: false }),
});

/** What a reader of the run should know; `tokens` are those that H was summed over, where that is known. */
export function curvatureNotices(
  { inputs, dead, damping }: Curvature,
  role: string,
  asked: number,
  tokens?: number,
): string[] {
  return [
    ...(tokens === undefined || tokens >= inputs
      ? []
      : [
          `${role}: its ${inputs} inputs were seen in ${tokens} tokens alone, so that H says nothing of most directions and damping decides. More text (calibration.samples) makes it better.`,
        ]),
    ...(dead.length === 0
      ? []
      : [`${role}: ${dead.length} of its inputs are zero in all of the text; their weights become zero.`]),
    ...(damping <= asked
      ? []
      : [
          `${role}: H is singular with a damping of ${asked}, so ${damping} was taken. More text (calibration.samples) makes it better.`,
        ]),
  ];
}

export interface Decisions {
  /**
   * Called before each block of inputs with the weights as they stand, [outputs, inputs], and their saliences w² / U_jj²
   * in `salience(output, input)`.
   */
  readonly beforeBlock?: (
    from: number,
    to: number,
    weights: Float64Array,
    salience: (output: number, input: number) => number,
  ) => void;
  /** What becomes of a weight; `weights` as they stand when its turn comes. */
  readonly decide: (output: number, input: number, value: number, weights: Float64Array) => number;
}

/** Decides all weights [outputs, inputs] in place. */
export function decideAll(
  weights: Float64Array,
  outputs: number,
  { inputs: n, upper, dead }: Curvature,
  { beforeBlock, decide }: Decisions,
  blockSize = 128,
): void {
  for (const input of dead) for (let output = 0; output < outputs; output++) weights[output * n + input] = 0;
  const salience = (output: number, input: number) =>
    (weights[output * n + input]! / upper[input * n + input]!) ** 2;
  const errors = new Float64Array(blockSize);
  for (let from = 0; from < n; from += blockSize) {
    const to = Math.min(n, from + blockSize);
    beforeBlock?.(from, to, weights, salience);
    for (let output = 0; output < outputs; output++) {
      const row = output * n;
      for (let input = from; input < to; input++) {
        const value = weights[row + input]!;
        const decided = decide(output, input, value, weights);
        weights[row + input] = decided;
        const error = (value - decided) / upper[input * n + input]!;
        errors[input - from] = error;
        if (error === 0) continue;
        for (let k = input + 1, at = input * n + input + 1; k < to; k++, at++)
          weights[row + k]! -= error * upper[at]!;
      }
      for (let input = from; input < to; input++) {
        const error = errors[input - from]!;
        if (error === 0) continue;
        for (let k = to, at = input * n + to; k < n; k++, at++) weights[row + k]! -= error * upper[at]!;
      }
    }
  }
}
