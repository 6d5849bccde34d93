/**
 * Weights that make a compressed model's matrix come nearest to the outputs of the original model: its inputs X̃ differ from
 * the original X, so W is replaced by W* = argmin ‖X̃·W* − X·W‖² + λ‖W* − W‖². As in QEP (Arai and Ichikawa 2025) and GPTAQ
 * (Li et al. 2025), where it is a step of GPTQ; here any method gets W* instead of W.
 */
import { fromInOut, toInOut, weightName } from "../../representations/dense";
import { maskName } from "../../representations/masked";
import type { HostTensor } from "../../checkpoints/safetensors";
import type { Algebra } from "../algebra/products";
import { factorize, type TriangularFactor } from "../algebra/triangular";
import type { Target } from "../targets";
import { readFloats } from "../unpackTargets";
import { computeMeanDiagonal, dampGram, solveFactored, solveInsideMask } from "../algebra/leastSquares";
import { driftName } from "./readLayers";

/** λ as a share of the mean diagonal of H. */
const damping = 0.01;

/** Steps of conjugate gradients for the weights that a mask keeps. */
const maskedSteps = 20;

/** A smaller difference between the inputs of both models, as a share of H, is rounding error of single precision. */
const smallestDrift = 1e-6;

/**
 * Replaces the dense or masked weights of targets that read the same input by W* = W + (H + λI)⁻¹·X̃ᵀ(X − X̃)·W. In a masked
 * matrix the zeros stay, and the other weights are the best ones without them. `statistics` has `gram`, H = X̃ᵀX̃, and `drift`,
 * X̃ᵀ(X − X̃), unless the inputs are still those of the original model. Matrices that are stored in another way keep their weights.
 */
export async function matchOutputs(
  algebra: Algebra,
  tensors: Map<string, HostTensor>,
  targets: readonly Target[],
  statistics: Readonly<Record<string, Float64Array>>,
): Promise<void> {
  const { gram, [driftName]: drift } = statistics;
  if (gram === undefined || drift === undefined) return;
  const { inputs } = targets[0]!.matrix;
  const least = smallestDrift * computeMeanDiagonal(gram, inputs);
  if (!drift.some((each) => Math.abs(each) > least)) return;
  const h = dampGram(gram, inputs, damping);
  let factor: TriangularFactor | undefined;
  for (const { matrix, type } of targets) {
    if (type !== "dense" && type !== "masked") continue;
    const sizes = { inputs, outputs: matrix.outputs };
    const name = weightName(matrix);
    const stored = tensors.get(name)!;
    const mask =
      type === "masked" ? toInOut(tensors.get(maskName(matrix))!.data as Uint8Array, matrix) : undefined;
    const weights = Float64Array.from(toInOut(readFloats(tensors, name), matrix), (each, i) =>
      mask === undefined || mask[i] === 1 ? each : 0,
    );
    const product = [inputs, inputs, matrix.outputs] as const;
    const shift = await algebra.multiply(drift, weights, product);
    let matched: Float64Array;
    if (mask === undefined) {
      factor ??= await factorize(algebra, h, inputs);
      // Only an H that is not finite has none.
      if (factor === undefined) return;
      matched = await solveFactored(algebra, factor, shift, sizes);
      for (let i = 0; i < matched.length; i++) matched[i]! += weights[i]!;
    } else {
      const right = await algebra.multiply(h, weights, product);
      for (let i = 0; i < right.length; i++) right[i]! += shift[i]!;
      matched = await solveInsideMask(algebra, h, right, mask, weights, sizes, maskedSteps);
    }
    tensors.set(name, { ...stored, data: fromInOut(Float32Array.from(matched), matrix) });
  }
}
