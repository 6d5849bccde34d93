/** Adjusts the weights that a mask keeps to the outputs of the whole matrix on real text. */
import * as z from "zod";
import { fromInOut, toInOut } from "../../representations/dense";
import { countNonZeros, type MatrixSpec } from "../../representations/representation";
import type { Algebra } from "../algebra/products";
import { dampGram, solveInsideMask } from "../algebra/leastSquares";

export const refitOption = z
  .int()
  .min(0)
  .optional()
  .describe(
    "Steps of conjugate gradients that adjust the kept weights to the outputs of the whole matrix on the calibration text; 0 for none.",
  );

/** Added to the diagonal of H, as a share of its mean, so that few calibration tokens do not determine the weights. */
const damping = 0.01;

/**
 * Minimizes ‖X·(W − Ŵ)‖² + λ‖W − Ŵ‖² over Ŵ inside the mask by `steps` steps from `start`. `wanted` is W; all three are in the
 * order of the stored tensor. `gram` is H = XᵀX [inputs, inputs].
 */
export async function refitKept(
  algebra: Algebra,
  matrix: MatrixSpec,
  wanted: Float32Array,
  start: Float32Array,
  mask: Uint8Array,
  gram: Float64Array,
  steps: number,
): Promise<Float32Array> {
  if (steps === 0 || countNonZeros(mask) === mask.length) return start;
  const { inputs, outputs } = matrix;
  const h = dampGram(gram, inputs, damping);
  const right = await algebra.multiply(h, Float64Array.from(toInOut(wanted, matrix)), [
    inputs,
    inputs,
    outputs,
  ]);
  const refitted = await solveInsideMask(
    algebra,
    h,
    right,
    toInOut(mask, matrix),
    toInOut(start, matrix),
    { inputs, outputs },
    steps,
  );
  return fromInOut(Float32Array.from(refitted), matrix);
}
