import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { listInputs, sortTopologically } from "../../../src/backend/graph/graph";
import { type Apply, parameter, scalar, type Value } from "../../../src/backend/graph/op";
import { add, exp, mul, tanh } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { recomputeGateName, type Segment } from "../../../src/backend/graph/recompute";

/** Layers x → x + tanh(x·W)·e^(x·W), each of which is a segment. */
function layered(layers: number) {
  const weights = Array.from({ length: layers }, (_, i) => parameter(`w${i}`, [3, 3]));
  const segments: Segment[] = [];
  let x: Value = parameter("x", [2, 3]);
  for (const weight of weights) {
    const inner = matmul(x, weight);
    const output = add(x, mul(tanh(inner), exp(inner)));
    segments.push({ inputs: [x], output });
    x = output;
  }
  const loss = sum(mul(x, x), { axes: [0, 1], keepDims: false });
  const feeds: Record<string, number[]> = { x: [0.1, -0.2, 0.3, 0.4, 0.5, -0.6], [recomputeGateName]: [1] };
  weights.forEach((_, i) => (feeds[`w${i}`] = Array.from({ length: 9 }, (__, j) => Math.sin(i + j) / 3)));
  return { loss, weights, segments, feeds };
}

const named = (values: readonly Value[]) => Object.fromEntries(values.map((value, i) => [`g${i}`, value]));

const count = (outputs: readonly Value[], op: string) =>
  sortTopologically(outputs).filter((each) => each.kind === "apply" && each.op.name === op).length;

describe("recomputation", () => {
  it("gives the same gradients", () => {
    const { loss, weights, segments, feeds } = layered(3);
    const kept = evaluateGraph({ outputs: named(gradients(loss, weights)) }, feeds);
    const again = evaluateGraph({ outputs: named(gradients(loss, weights, { recompute: segments })) }, feeds);
    expect(again).toEqual(kept);
  });

  it("computes the values inside a segment a second time, after a gate that waits for the gradient", () => {
    const { loss, weights, segments } = layered(3);
    const plain = [loss, ...gradients(loss, weights)];
    const again = [loss, ...gradients(loss, weights, { recompute: segments })];
    expect(count(plain, "exp")).toBe(3);
    expect(count(again, "exp")).toBe(6);
    expect(count(again, "waitFor")).toBe(3);
    const reads = (values: readonly Value[]) =>
      listInputs({ outputs: named(values) }).map(({ name }) => name);
    expect(reads(again)).toContain(recomputeGateName);
    expect(reads(plain)).not.toContain(recomputeGateName);
  });

  it("keeps no inner value of a segment for the backward pass", () => {
    const { loss, weights, segments } = layered(3);
    const forward = new Set(sortTopologically([loss]));
    const boundaries = new Set(segments.flatMap(({ inputs, output }) => [...inputs, output]));
    const backward = sortTopologically(gradients(loss, weights, { recompute: segments }));
    for (const value of backward) {
      if (value.kind !== "apply" || forward.has(value)) continue;
      for (const each of value.inputs)
        if (each.kind === "apply" && forward.has(each)) expect(boundaries).toContain(each);
    }
  });

  it("refuses segments that overlap, and one that does not depend on its inputs", () => {
    const { loss, weights, segments } = layered(2);
    const [first, second] = segments as [Segment, Segment];
    // From the middle of the first to the end of the second.
    const middle = (first.output as Apply).inputs[1]!;
    const across = { inputs: [(middle as Apply).inputs[0]!], output: second.output };
    expect(() => gradients(loss, weights, { recompute: [first, across] })).toThrow(
      "must be nested or disjoint",
    );
    expect(() => gradients(loss, weights, { recompute: [first, first] })).toThrow(
      "must be nested or disjoint",
    );
    const stray = { inputs: [parameter("stray", [1])], output: mul(scalar(1), scalar(2)) };
    expect(() => gradients(loss, weights, { recompute: [stray] })).toThrow("does not depend on its inputs");
  });
});
