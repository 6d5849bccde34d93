/**
 * Optimal brain surgeon along the inputs of a matrix, as SparseGPT (Frantar and Alistarh 2023) and GPTQ (Frantar et al. 2022)
 * do it: decides the inputs of an output one after the other, and compensates the error of each decision in the remaining
 * weights, using the inverse of H = XᵀX.
 */
import { matmul } from "../../graph/ops/matmul";
import { sum } from "../../graph/ops/reduction";
import { cholesky, invertLower } from "./linearAlgebra";
import type { Tap } from "../calibration/observe";

export interface Curvature {
  readonly inputs: number;
  /** Upper triangular U with H⁻¹ = Uᵀ·U, of the damped H; [inputs, inputs]. */
  readonly upper: Float64Array;
  /** Inputs that were always zero, so that their weights have no effect. */
  readonly dead: readonly number[];
  /** The damping that was applied, as a share of the mean of H's diagonal. */
  readonly damping: number;
}

/** With more damping than this share of the mean diagonal, H carries no information. */
const maxDamping = 1;

/** `gram` is XᵀX [inputs, inputs]; the damping grows tenfold until H is positive definite. */
export function computeCurvature(gram: Float64Array, inputs: number, damping: number): Curvature {
  const n = inputs;
  const dead: number[] = [];
  const damped = gram.slice();
  for (let i = 0; i < n; i++)
    if (!(damped[i * n + i]! > 0)) {
      dead.push(i);
      damped[i * n + i] = 1;
    }
  let mean = 0;
  for (let i = 0; i < n; i++) mean += damped[i * n + i]! / n;
  for (let share = damping; ; share = Math.max(share * 10, 1e-6)) {
    // H = R·Rᵀ with R upper triangular, by factoring H from its end; then U = R⁻¹.
    const reversed = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        reversed[i * n + j] = damped[(n - 1 - i) * n + (n - 1 - j)]! + (i === j ? share * mean : 0);
    const lower = cholesky(reversed, n);
    if (lower === undefined && share < maxDamping) continue;
    if (lower === undefined) throw new Error("H stays singular at any damping: its entries are not finite.");
    const inverse = invertLower(lower, n);
    const upper = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = i; j < n; j++) upper[i * n + j] = inverse[(n - 1 - i) * n + (n - 1 - j)]!;
    return { inputs, upper, dead, damping: share };
  }
}

/** The statistics from which curvature is computed. */
export const curvatureTap: Tap = (x, counted) => ({
  gram: matmul(x, x, { transposeA: true }),
  tokens: sum(counted, { axes: [0], keepDims: false }),
});

/** Returns notices for the log of the run; `tokens` is the number of tokens that H was summed over, if known. */
export function describeCurvature(
  { inputs, dead, damping }: Curvature,
  role: string,
  requestedDamping: number,
  tokens?: number,
): string[] {
  return [
    ...(tokens === undefined || tokens >= inputs
      ? []
      : [
          `${role}: only ${tokens} calibration tokens for ${inputs} inputs, so H is rank-deficient and relies on damping. Increase calibration.samples.`,
        ]),
    ...(dead.length === 0
      ? []
      : [
          `${role}: ${dead.length} of its inputs are zero throughout the calibration text; their weights are set to zero.`,
        ]),
    ...(damping <= requestedDamping
      ? []
      : [
          `${role}: H is singular with a damping of ${requestedDamping}, so ${damping} was used. Increase calibration.samples.`,
        ]),
  ];
}

export interface Decisions {
  /**
   * Called before each block of inputs with the current weights, [outputs, inputs], and their saliences w² / U_jj²
   * in `salience(output, input)`.
   */
  readonly beforeBlock?: (
    from: number,
    to: number,
    weights: Float64Array,
    salience: (output: number, input: number) => number,
  ) => void;
  /** Returns the new value of a weight; `weights` are the current ones. */
  readonly decide: (output: number, input: number, value: number, weights: Float64Array) => number;
}

/** Updates all weights [outputs, inputs] in place. */
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
