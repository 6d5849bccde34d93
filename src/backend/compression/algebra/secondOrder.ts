/**
 * Optimal brain surgeon along the inputs of a matrix, as SparseGPT (Frantar and Alistarh 2023) and GPTQ (Frantar et al. 2022)
 * do it: decides the inputs of an output one after the other, and compensates the error of each decision in the remaining
 * weights, using the inverse of H = XᵀX.
 */
import * as z from "zod";
import { sum } from "../../graph/ops/reduction";
import { gramTap, type Tap } from "../calibration/observe";
import { computeMeanDiagonal } from "./leastSquares";
import type { Algebra } from "./products";
import { copyBlock, factorize } from "./triangular";

export interface Curvature {
  readonly inputs: number;
  /** Upper triangular U with H⁻¹ = Uᵀ·U, of the damped H; [inputs, inputs]. */
  readonly upper: Float64Array;
  /** Inputs that were always zero, so that their weights have no effect. */
  readonly dead: readonly number[];
  /** The damping that was applied, as a share of the mean of H's diagonal. */
  readonly damping: number;
}

/** The option of methods that invert H. */
export const dampingOption = z
  .number()
  .min(0)
  .default(0.01)
  .describe("Damping added to the diagonal of H, as a share of its mean. Increased if H is still singular.");

/** With more damping than this share of the mean diagonal, H carries no information. */
const maxDamping = 1;

/** `gram` is XᵀX [inputs, inputs]; the damping grows tenfold until H is positive definite. */
export async function computeCurvature(
  algebra: Algebra,
  gram: Float64Array,
  inputs: number,
  damping: number,
): Promise<Curvature> {
  const n = inputs;
  const dead: number[] = [];
  const damped = gram.slice();
  for (let i = 0; i < n; i++)
    if (!(damped[i * n + i]! > 0)) {
      dead.push(i);
      damped[i * n + i] = 1;
    }
  const mean = computeMeanDiagonal(damped, n);
  for (let share = damping; ; share = Math.max(share * 10, 1e-6)) {
    // H = R·Rᵀ with R upper triangular, by factoring H from its end; then U = R⁻¹.
    const reversed = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        reversed[i * n + j] = damped[(n - 1 - i) * n + (n - 1 - j)]! + (i === j ? share * mean : 0);
    const factor = await factorize(algebra, reversed, n);
    if (factor === undefined && share < maxDamping) continue;
    if (factor === undefined) throw new Error("H stays singular at any damping: its entries are not finite.");
    // Reversing rows and columns of L⁻¹ is reversing its elements.
    return { inputs, upper: factor.inverse.reverse(), dead, damping: share };
  }
}

/** The statistics from which curvature is computed. */
export const curvatureTap: Tap = (x, counted, rows) => ({
  ...gramTap(x, counted, rows),
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
  /** Called before each block of inputs with the current weights, [outputs, inputs]. */
  readonly beforeBlock?: (from: number, to: number, weights: Float64Array) => void;
  /** Returns the new value of a weight; `weights` are the current ones. */
  readonly decide: (output: number, input: number, value: number, weights: Float64Array) => number;
}

/**
 * Updates all weights [outputs, inputs] in place. Within a block of inputs, each error is compensated at once; in all later
 * inputs, those of a block are compensated together, by one product.
 */
export async function decideAll(
  algebra: Algebra,
  weights: Float64Array,
  outputs: number,
  { inputs: n, upper, dead }: Curvature,
  { beforeBlock, decide }: Decisions,
  blockSize = 128,
): Promise<void> {
  for (const input of dead) for (let output = 0; output < outputs; output++) weights[output * n + input] = 0;
  for (let from = 0; from < n; from += blockSize) {
    const to = Math.min(n, from + blockSize);
    const width = to - from;
    const errors = new Float64Array(outputs * width);
    const within = copyBlock(upper, n, [from, from], [width, width]);
    beforeBlock?.(from, to, weights);
    for (let output = 0; output < outputs; output++) {
      const row = output * n;
      for (let i = 0; i < width; i++) {
        const place = row + from + i;
        const value = weights[place]!;
        const decided = decide(output, from + i, value, weights);
        weights[place] = decided;
        const error = (value - decided) / within[i * width + i]!;
        errors[output * width + i] = error;
        if (error === 0) continue;
        for (let later = place + 1, at = i * width + i + 1, end = row + to; later < end; later++, at++)
          weights[later]! -= error * within[at]!;
      }
    }
    if (to === n) return;
    const later = n - to;
    const changes = await algebra.multiply(errors, copyBlock(upper, n, [from, to], [width, later]), [
      outputs,
      width,
      later,
    ]);
    for (let output = 0, change = 0; output < outputs; output++)
      for (let at = output * n + to, end = (output + 1) * n; at < end; at++)
        weights[at]! -= changes[change++]!;
  }
}
