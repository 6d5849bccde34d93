/** Trains the exits of a model, whose other weights are frozen. */
import type { TrainExits } from "../../schema/exits";
import { ignoredLabel } from "../graph/composites/losses";
import { int } from "../graph/functions";
import { scalar, type Value } from "../graph/op";
import { add, and, equal, lessOrEqual, maximum, mul, not, where } from "../graph/ops/elementwise";
import { pick } from "../graph/ops/indexing";
import { crossEntropy } from "../graph/ops/loss";
import { concat, slice } from "../graph/ops/movement";
import { max } from "../graph/ops/reduction";
import { buildExitHidden, buildExitScores } from "../models/exitForward";
import { exitClasses, getExitLayers } from "../models/exits";
import { buildHiddenStates, buildLogits, dimensionsOf, type ModelShape, parametersOf } from "../models/model";
import { computeSoftTargetLoss } from "./distillation";
import type { Trainee } from "./trainee";

const [stay, leave, stop] = exitClasses.map((_, number) => number) as [number, number, number];

/**
 * The loss is the mean over the exits of two terms: that of the exit's logits, and the cross-entropy of its classifier, whose
 * label is `exit` where the exit's most likely token is that of the text, `continue` where only that of a later exit or of the
 * whole model is, and `stop` elsewhere.
 */
export function createExitTrainee(shape: ModelShape, { loss }: Pick<TrainExits, "loss">): Trainee {
  const layers = getExitLayers(shape.config);
  const dimensions = dimensionsOf(shape);
  const { width } = dimensions;
  const part = (hidden: Value, index: number) =>
    slice(hidden, { axis: 1, start: index * width, end: (index + 1) * width });
  return {
    parameters: parametersOf(shape),
    dimensions,
    shape,
    /** [rows, width · (1 + 2 · exits)]: the input of the head of the whole model, then of each exit its state and the input of its head. */
    hidden: (weights, { dropoutSeed: _, ...inputs }, { attentionBlock, onMatrix }) => {
      const states: Value[] = [];
      let layer = 0;
      const last = buildHiddenStates(shape, weights, inputs, {
        attentionBlock,
        ...(onMatrix === undefined ? {} : { onMatrix }),
        onLayer: (_input, state) => {
          if (!layers.includes(++layer)) return;
          states.push(state, buildExitHidden(shape, weights, inputs, layer, state));
        },
      });
      return concat(last, ...states, { axis: 1 });
    },
    logits: (weights, hidden) => buildLogits(shape, weights, part(hidden, 0)),
    loss: (weights, hidden, labels) => {
      const full = buildLogits(shape, weights, part(hidden, 0));
      const isIgnored = equal(labels, int(ignoredLabel));
      const terms: Value[] = [];
      let isMissed = not(findRight(full, labels));
      for (const [i, layer] of [...layers.entries()].toReversed()) {
        const logits = buildLogits(shape, weights, part(hidden, 2 * i + 2));
        terms.push(
          loss === "labels"
            ? crossEntropy(logits, labels)
            : where(isIgnored, scalar(0), computeSoftTargetLoss(logits, full, 1)),
        );
        const isRight = findRight(logits, labels);
        const best = where(isRight, int(leave), where(isMissed, int(stop), int(stay)));
        const scores = buildExitScores(weights, layer, part(hidden, 2 * i + 1));
        terms.push(crossEntropy(scores, where(isIgnored, int(ignoredLabel), best)));
        isMissed = and(isMissed, not(isRight));
      }
      return mul(
        terms.reduce((sum, term) => add(sum, term)),
        scalar(1 / layers.length),
      );
    },
  };
}

/** Whether no token is more likely than the label: [n, vocabulary], int32 [n] → bool [n]. */
function findRight(logits: Value, labels: Value): Value {
  const top = max(logits, { axes: [1], keepDims: false });
  return lessOrEqual(top, pick(logits, maximum(labels, int(0))));
}
