/** Gradients of losses. */
import { type Composite, defineComposite } from "../composite";
import { constant, scalar, type Value } from "../op";
import { equal, maximum, mul, sub, where } from "../ops/elementwise";
import { pick, put } from "../ops/indexing";
import { reshape } from "../ops/movement";
import { softmax } from "../ops/normalization";

/** Labels with this value carry no loss, as in PyTorch and Hugging Face. */
export const ignoredLabel = -100;

export const createIgnoredLabel = () => constant(Int32Array.of(ignoredLabel), []);

/** The gradient of `crossEntropy` in the logits [n, classes], given the labels int32 [n] and the gradient of each loss [n]. */
export const crossEntropyGradient: Composite<[Value, Value, Value]> = defineComposite<[Value, Value, Value]>({
  name: "crossEntropyGradient",
  // dlogits = dy · (softmax(logits) - onehot(label)), nothing for ignored rows.
  body: ([logits, labels, dy]) => {
    const rows = logits.type.shape[0]!;
    const live = where(equal(labels, createIgnoredLabel()), scalar(0), dy);
    const share = mul(softmax(logits), reshape(live, { shape: [rows, 1] }));
    const at = maximum(labels, constant(Int32Array.of(0), []));
    return [put(share, at, sub(pick(share, at), live))];
  },
  gradient: "stop",
  samples: [],
});
