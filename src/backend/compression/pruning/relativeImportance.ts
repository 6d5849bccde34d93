/** The scores of RIA (Zhang et al., ICLR 2024): relative importance times a power of the norm of the input. */
import type { MatrixSpec } from "../../representations/representation";
import { createPlaceLookup } from "./maskCount";

/**
 * Returns (|W_ij| / Σ_j |W_ij| + |W_ij| / Σ_i |W_ij|) · ‖X_i‖₂^power in the order of the stored tensor, so that neither an
 * input nor an output loses all of its weights. `squares` is ‖X_i‖₂² of each input.
 */
export function scoreRelatively(
  matrix: MatrixSpec,
  weights: Float32Array,
  squares: ArrayLike<number>,
  power: number,
): Float32Array {
  const { inputs, outputs } = matrix;
  const placeOf = createPlaceLookup(matrix);
  const ofInput = new Float64Array(inputs);
  const ofOutput = new Float64Array(outputs);
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++) {
      const size = Math.abs(weights[placeOf(input, output)]!);
      ofInput[input]! += size;
      ofOutput[output]! += size;
    }
  const scores = new Float32Array(weights.length);
  for (let input = 0; input < inputs; input++) {
    const activation = squares[input]! ** (power / 2);
    for (let output = 0; output < outputs; output++) {
      const at = placeOf(input, output);
      const size = Math.abs(weights[at]!);
      if (size > 0) scores[at] = (size / ofInput[input]! + size / ofOutput[output]!) * activation;
      else scores[at] = weights[at]!;
    }
  }
  return scores;
}
