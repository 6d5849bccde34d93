/**
 * Training with masks that scores choose: movement pruning (Sanh et al. 2020). The forward pass uses W ⊙ M with M = 1 where the
 * score S exceeds a threshold. M has the gradient of S (straight-through), so that ∂L/∂S = ∂L/∂(W ⊙ M) ⊙ W also where M = 0.
 */
import type { Value } from "../graph/op";
import { add, cast, greater, mul, sub } from "../graph/ops/elementwise";
import { detach } from "../graph/ops/gate";
import type { ParameterSpec } from "../representations/representation";
import { createCachedSource } from "./roundedWeights";
import type { Trainee } from "./trainee";

/** The scores of a weight tensor, of its shape, and the threshold [1] that they must exceed. */
export const scoresName = (weight: string): string => `${weight}_scores`;
export const thresholdName = (weight: string): string => `${weight}_threshold`;

/** W ⊙ M, of the shape of `weight` and `scores`; `threshold` [1]. */
export function maskByScores(weight: Value, scores: Value, threshold: Value): Value {
  const mask = cast(greater(scores, threshold), { to: "float32" });
  return mul(weight, add(detach(mask), sub(scores, detach(scores))));
}

/** The trainee with these weight tensors masked wherever it uses them, and with scores and a threshold for each of them. */
export function createMovingTrainee(trainee: Trainee, weights: ReadonlySet<string>): Trainee {
  const added = trainee.parameters
    .filter(({ name }) => weights.has(name))
    .flatMap(({ packing: _, axes: __, ...spec }): ParameterSpec[] => {
      const plain = { ...spec, init: { kind: "zeros" }, decay: false } as const;
      return [
        { ...plain, name: scoresName(spec.name) },
        { ...plain, name: thresholdName(spec.name), shape: [1], trainable: false },
      ];
    });
  const createMaskedSource = createCachedSource((name, source) =>
    weights.has(name)
      ? maskByScores(source(name), source(scoresName(name)), source(thresholdName(name)))
      : undefined,
  );
  return {
    ...trainee,
    parameters: [...trainee.parameters, ...added],
    hidden: (source, inputs, options) => trainee.hidden(createMaskedSource(source), inputs, options),
    logits: (source, hidden) => trainee.logits(createMaskedSource(source), hidden),
  };
}
