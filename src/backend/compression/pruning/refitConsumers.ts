/**
 * Fits the weights that read the remaining heads and channels to the text again, so that they also do what those of the
 * removed ones did as far as it follows from what remains: W'_K = W_K + (H_KK + λI)⁻¹ · H_KR · W_R for the kept inputs K
 * and the removed ones R, with H = XᵀX. This is the least-squares solution of X_K·W' = X·W, damped toward the current weights.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import type { HostTensor } from "../../checkpoints/safetensors";
import { denseShape, fromInOut, toInOut, weightName } from "../../representations/dense";
import { hasBias, shiftBias } from "../addBiases";
import { centerGram, computeMeanDiagonal, dampGram, solveFactored } from "../algebra/leastSquares";
import type { Algebra } from "../algebra/products";
import { factorize, type TriangularFactor } from "../algebra/triangular";
import type { Calibration } from "../calibration/batches";
import { gramTap, sumsTap, type Tap } from "../calibration/observe";
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

const tap: Tap = (...given) => ({ ...gramTap(...given), ...sumsTap(...given) });

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
  const reader = await lab.readLayers(before, false, calibration);
  for (const [done, { group, kept }] of cut.entries()) {
    if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
    const { matrix } = group.consumer;
    const { inputs, outputs, role } = matrix;
    const model = { shape: before.shape, tensors };
    await reader.moveTo(group.layer, model);
    const statistics = (await reader.observe(model, new Map([[role, tap]]))).get(role)!;
    const { gram, sums, count } = statistics as Record<"gram" | "sums" | "count", Float64Array>;
    const isKept = Array.from({ length: inputs }, (_, input) =>
      kept.has(Math.floor((input * group.units) / inputs)),
    );
    const weights = toInOut(readFloats(tensors, weightName(matrix)), matrix);
    const mean = hasBias(before.shape, role) ? sums.map((each) => each / count[0]!) : undefined;
    const centered = mean === undefined ? gram : centerGram(gram, mean, count[0]!);
    const fitted = await fitKept(lab.algebra, weights, centered, isKept, outputs, damping);
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

/**
 * Returns the weights [inputs, outputs] with those of removed inputs zero and the others fitted. `gram` is H [inputs, inputs];
 * `damping` is a share of the mean of its diagonal over the kept inputs, and grows tenfold until H_KK is positive definite.
 */
export async function fitKept(
  algebra: Algebra,
  weights: ArrayLike<number>,
  gram: Float64Array,
  isKept: readonly boolean[],
  outputs: number,
  damping: number,
): Promise<Float64Array> {
  const inputs = isKept.length;
  const kept = isKept.flatMap((each, input) => (each ? [input] : []));
  const removed = isKept.flatMap((each, input) => (each ? [] : [input]));
  const n = kept.length;
  const keptRows = pickRows(weights, outputs, kept);
  const factor = await factorizeKept(algebra, pickEntries(gram, inputs, kept, kept), n, damping);
  const out = new Float64Array(inputs * outputs);
  if (factor !== undefined) {
    const lost = await algebra.multiply(
      pickEntries(gram, inputs, kept, removed),
      pickRows(weights, outputs, removed),
      [n, removed.length, outputs],
    );
    const change = await solveFactored(algebra, factor, lost, { inputs: n, outputs });
    for (let i = 0; i < keptRows.length; i++) keptRows[i]! += change[i]!;
  }
  kept.forEach((input, i) => out.set(keptRows.subarray(i * outputs, (i + 1) * outputs), input * outputs));
  return out;
}

/** The rows of a matrix with `columns` columns. */
function pickRows(matrix: ArrayLike<number>, columns: number, rows: readonly number[]): Float64Array {
  const out = new Float64Array(rows.length * columns);
  rows.forEach((row, i) => {
    for (let j = 0; j < columns; j++) out[i * columns + j] = matrix[row * columns + j]!;
  });
  return out;
}

/** The entries of a matrix of `width` columns in these rows and columns. */
function pickEntries(
  matrix: Float64Array,
  width: number,
  rows: readonly number[],
  columns: readonly number[],
): Float64Array {
  const out = new Float64Array(rows.length * columns.length);
  let at = 0;
  for (const row of rows) for (const column of columns) out[at++] = matrix[row * width + column]!;
  return out;
}

/** Factors the damped H_KK [n, n]; undefined if the kept inputs are zero throughout the text. */
async function factorizeKept(
  algebra: Algebra,
  gram: Float64Array,
  n: number,
  damping: number,
): Promise<TriangularFactor | undefined> {
  if (!(computeMeanDiagonal(gram, n) > 0)) return undefined;
  for (let share = damping; share <= 1; share = Math.max(share * 10, 1e-8)) {
    const factor = await factorize(algebra, dampGram(gram, n, share), n);
    if (factor !== undefined) return factor;
  }
  return undefined;
}
