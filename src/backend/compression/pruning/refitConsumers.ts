/**
 * Fits the weights that read the remaining heads and channels to the text again, so that they also do what those of the
 * removed ones did as far as it follows from what remains: W'_K = W_K + (H_KK + λI)⁻¹ · H_KR · W_R for the kept inputs K
 * and the removed ones R, with H = XᵀX. This is the least-squares solution of X_K·W' = X·W, damped toward the current weights.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { matmul } from "../../graph/ops/matmul";
import { sum } from "../../graph/ops/reduction";
import { denseShape, fromInOut, toInOut, weightName } from "../../representations/dense";
import { hasBias, shiftBias } from "../addBiases";
import { cholesky } from "../algebra/linearAlgebra";
import type { Calibration } from "../calibration/batches";
import type { Tap } from "../calibration/observe";
import type { Lab } from "../method";
import { readFloats } from "../unpackTargets";
import type { KeptUnits, UnitGroup } from "./structured";

export const refitOptions = {
  refit: z
    .boolean()
    .optional()
    .describe(
      "Fit the weights that read the remaining units by least squares on real text, and their bias, if there is one. Default: true, and false in the published form.",
    ),
  damping: z
    .number()
    .min(0)
    .default(0.01)
    .describe("How much `refit` keeps the current weights, as a share of the mean diagonal of XᵀX."),
};

const tap: Tap = (x, counted) => ({
  gram: matmul(x, x, { transposeA: true }),
  sums: sum(x, { axes: [0], keepDims: false }),
  count: sum(counted, { axes: [0], keepDims: false }),
});

/**
 * Returns the model with fitted consumers, whose weights for removed units are zero. The inputs of a consumer come from the
 * model in which those before it are fitted.
 */
export async function refitConsumers(
  before: Checkpoint,
  groups: readonly UnitGroup[],
  keptUnits: KeptUnits,
  { damping, calibration }: { readonly damping: number; readonly calibration: Calibration },
  lab: Lab,
): Promise<Checkpoint> {
  const tensors = new Map<string, HostTensor>(before.tensors);
  const cut = groups.flatMap((group, i) =>
    keptUnits[i]!.length < group.units ? [{ group, kept: new Set(keptUnits[i]) }] : [],
  );
  for (const [done, { group, kept }] of cut.entries()) {
    if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
    const { matrix } = group.consumer;
    const { inputs, outputs, role } = matrix;
    const statistics = await lab.observe(
      { shape: before.shape, tensors },
      new Map([[role, tap]]),
      calibration,
    );
    const { gram, sums, count } = statistics.get(role)! as Record<"gram" | "sums" | "count", Float64Array>;
    const isKept = Array.from({ length: inputs }, (_, input) =>
      kept.has(Math.floor((input * group.units) / inputs)),
    );
    const weights = toInOut(readFloats(tensors, weightName(matrix)), matrix);
    const mean = hasBias(before.shape, role) ? sums.map((each) => each / count[0]!) : undefined;
    const centered = mean === undefined ? gram : center(gram, mean, count[0]!);
    const fitted = fitKept(weights, centered, isKept, outputs, damping);
    if (mean !== undefined) {
      const shift = new Float64Array(outputs);
      for (let input = 0; input < inputs; input++)
        for (let output = 0; output < outputs; output++) {
          const at = input * outputs + output;
          shift[output]! += mean[input]! * (weights[at]! - fitted[at]!);
        }
      tensors.set(...shiftBias(before.shape, tensors, role, shift));
    }
    tensors.set(weightName(matrix), {
      shape: denseShape(matrix),
      data: fromInOut(Float32Array.from(fitted), matrix),
    });
    lab.progress(done + 1, cut.length, "matrices");
  }
  return { shape: before.shape, tensors };
}

/** Σ (x − m)(x − m)ᵀ = XᵀX − count · m·mᵀ. */
function center(gram: Float64Array, mean: Float64Array, count: number): Float64Array {
  const n = mean.length;
  return gram.map((each, i) => each - count * mean[Math.floor(i / n)]! * mean[i % n]!);
}

/**
 * Returns the weights [inputs, outputs] with those of removed inputs zero and the others fitted. `gram` is H [inputs, inputs];
 * `damping` is a share of the mean of its diagonal over the kept inputs, and grows tenfold until H_KK is positive definite.
 */
export function fitKept(
  weights: ArrayLike<number>,
  gram: Float64Array,
  isKept: readonly boolean[],
  outputs: number,
  damping: number,
): Float64Array {
  const inputs = isKept.length;
  const kept = isKept.flatMap((each, input) => (each ? [input] : []));
  const removed = isKept.flatMap((each, input) => (each ? [] : [input]));
  const n = kept.length;
  // H_KR · W_R, then its solution.
  const lost = new Float64Array(n * outputs);
  kept.forEach((row, i) => {
    for (const column of removed) {
      const factor = gram[row * inputs + column]!;
      if (factor === 0) continue;
      for (let o = 0, at = i * outputs, from = column * outputs; o < outputs; o++, at++, from++)
        lost[at]! += factor * weights[from]!;
    }
  });
  const lower = factorize(gram, inputs, kept, damping);
  if (lower !== undefined) solve(lower, n, lost, outputs);
  const out = new Float64Array(inputs * outputs);
  kept.forEach((input, i) => {
    for (let o = 0; o < outputs; o++)
      out[input * outputs + o] =
        weights[input * outputs + o]! + (lower === undefined ? 0 : lost[i * outputs + o]!);
  });
  return out;
}

/** The Cholesky factor of the damped H_KK, or undefined if the kept inputs are zero throughout the text. */
function factorize(
  gram: Float64Array,
  inputs: number,
  kept: readonly number[],
  damping: number,
): Float64Array | undefined {
  const n = kept.length;
  const mean = kept.reduce((total, input) => total + gram[input * inputs + input]! / n, 0);
  if (!(mean > 0)) return undefined;
  for (let share = damping; share <= 1; share = Math.max(share * 10, 1e-8)) {
    const damped = new Float64Array(n * n);
    kept.forEach((row, i) =>
      kept.forEach((column, j) => {
        damped[i * n + j] = gram[row * inputs + column]! + (i === j ? share * mean : 0);
      }),
    );
    const lower = cholesky(damped, n);
    if (lower !== undefined) return lower;
  }
  return undefined;
}

/** Replaces B [n, m] by (L·Lᵀ)⁻¹·B. */
function solve(lower: Float64Array, n: number, b: Float64Array, m: number): void {
  const subtract = (to: number, from: number, factor: number) => {
    if (factor === 0) return;
    for (let j = 0, x = to * m, y = from * m; j < m; j++, x++, y++) b[x]! -= factor * b[y]!;
  };
  const divide = (row: number) => {
    const pivot = lower[row * n + row]!;
    for (let j = 0, x = row * m; j < m; j++, x++) b[x]! /= pivot;
  };
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) subtract(i, k, lower[i * n + k]!);
    divide(i);
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) subtract(i, k, lower[k * n + i]!);
    divide(i);
  }
}
