/** Losses of language models, classifiers and regressions. */
import { createIgnoredLabel, crossEntropyGradient, ignoredLabel } from "../composites/losses";
import { defineOp, type Op, scalar, type Value } from "../op";
import { equal, mul, sub, where } from "./elementwise";
import { reshape } from "./movement";

/** -log softmax(logits)[label] of each row: [n, classes], int32 [n] → [n]; zero where the label is -100. */
export const crossEntropy: Op<[Value, Value]> = defineOp<[Value, Value]>({
  name: "crossEntropy",
  onnx: (emit, [logits, labels], { type }) => {
    const rows = type.shape[0]!;
    const long = (numbers: readonly number[]) =>
      emit.constant(BigInt64Array.from(numbers, BigInt), [numbers.length]);
    const skip = emit.node("Equal", [labels!, emit.constant(Int32Array.of(ignoredLabel), [])]);
    const index = emit.node("Reshape", [
      emit.node("Max", [labels!, emit.constant(Int32Array.of(0), [])]),
      long([rows, 1]),
    ]);
    const logProbability = emit.node(
      "GatherElements",
      [emit.node("LogSoftmax", [logits!], { axis: -1 }), index],
      { axis: 1 },
    );
    const loss = emit.node("Neg", [emit.node("Reshape", [logProbability, long([rows])])]);
    return emit.node("Where", [skip, emit.constant(Float32Array.of(0), []), loss]);
  },
  infer: ([logits, labels]) => {
    if (
      logits.shape.length !== 2 ||
      labels.dtype !== "int32" ||
      labels.shape.join() !== String(logits.shape[0])
    )
      throw new Error(
        `crossEntropy of [${logits.shape.join(", ")}] and ${labels.dtype} [${labels.shape.join(", ")}].`,
      );
    return { dtype: "float32", shape: labels.shape };
  },
  gradient: ({ inputs: [logits, labels], grad: dy }) => [crossEntropyGradient(logits, labels, dy), null],
  evaluate: ([logits, labels]) => {
    const classes = logits.type.shape[1]!;
    return labels.data.map((label, row) => {
      if (label === ignoredLabel) return 0;
      const scores = logits.data.subarray(row * classes, (row + 1) * classes);
      const top = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      return top + Math.log(scores.reduce((a, b) => a + Math.exp(b - top), 0)) - scores[label]!;
    });
  },
  samples: [
    { inputs: [[4, 5], { dtype: "int32", shape: [4], range: [0, 5] }], range: [-2, 2], attrs: {} },
    { inputs: [[2, 3], { dtype: "int32", shape: [2], range: [ignoredLabel, ignoredLabel + 1] }], attrs: {} },
  ],
});

/** (prediction - target)² of each row: [n, 1], [n], int32 [n] → [n]; zero where the label is -100. */
export function squaredError(predictions: Value, targets: Value, labels: Value): Value {
  const error = sub(reshape(predictions, { shape: targets.type.shape }), targets);
  return where(equal(labels, createIgnoredLabel()), scalar(0), mul(error, error));
}
