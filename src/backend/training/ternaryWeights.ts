/**
 * Ternary training (BitNet b1.58, Ma et al. 2024): the forward pass uses some matrices as −1, 0 and 1 times one scale, in the
 * representation that stores them afterwards, with the straight-through estimator for gradients.
 */
import { scalar, type Value } from "../graph/op";
import { abs, add, div, maximum, minimum, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import { reshape, transpose } from "../graph/ops/movement";
import { expand, mean } from "../graph/ops/reduction";
import { round } from "../graph/ops/rounding";
import { buildHiddenStates, buildLogits, type ModelShape } from "../models/model";
import dense from "../representations/dense";
import { codesName, scalesName } from "../representations/quantised";
import type { MatrixSpec, ValueSource } from "../representations/representation";
import { createCachedSource } from "./roundedWeights";
import type { Trainee } from "./trainee";

/** ε, which keeps the scale of a matrix of zeros above zero. */
export const ternaryEpsilon = 1e-5;

/**
 * Returns the source with the codes and the scales of these matrices computed from their dense tensors: the scale is
 * s = mean|W| + ε, without a gradient, and the codes [inputs, outputs] are max(−1, min(1, round(W / s))) with the gradient of
 * W / s, so that their product has the gradient of W.
 */
export function createTernarySource(matrices: readonly MatrixSpec[]): (source: ValueSource) => ValueSource {
  const builders = new Map<string, (source: ValueSource) => Value>();
  for (const matrix of matrices) {
    const read = (source: ValueSource) => dense.dense!(source, matrix, {});
    builders.set(codesName(matrix), (source) => {
      const weight = read(source);
      const shares = div(weight, buildScale(weight));
      const codes = minimum(maximum(round(shares), scalar(-1)), scalar(1));
      const passed = add(detach(codes), sub(shares, detach(shares)));
      return matrix.layout === "in_out" ? passed : transpose(passed, { perm: [1, 0] });
    });
    builders.set(scalesName(matrix), (source) =>
      expand(reshape(buildScale(read(source)), { shape: [1, 1] }), { shape: [1, matrix.outputs] }),
    );
  }
  return createCachedSource((name, source) => builders.get(name)?.(source));
}

const buildScale = (weight: Value): Value =>
  add(detach(mean(abs(weight), { axes: [0, 1], keepDims: false })), scalar(ternaryEpsilon));

/** The trainee of a dense model that computes as `shape`, in which these matrices are ternary; its parameters stay dense. */
export function createTernaryTrainee(
  trainee: Trainee,
  shape: ModelShape,
  matrices: readonly MatrixSpec[],
): Trainee {
  const createSource = createTernarySource(matrices);
  return {
    ...trainee,
    hidden: (source, inputs, options) => buildHiddenStates(shape, createSource(source), inputs, options),
    logits: (source, hidden) => buildLogits(shape, createSource(source), hidden),
  };
}
