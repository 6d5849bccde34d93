/**
 * The contract of every operation: a gradient that finite differences confirm, and the same numbers on every device.
 */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import {
  type AnyOp,
  type Attrs,
  constant,
  type Sample,
  sizeOf,
  type Value,
} from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { ops } from "../../src/backend/graph/ops/catalog";
import { sum } from "../../src/backend/graph/ops/reduction";
import {
  applyOp,
  computeCentralDifferences,
  drawInputs,
  computeRelativeError,
  createUniform,
} from "../support/sampleValues";

const isOp = (candidate: unknown): candidate is AnyOp =>
  typeof candidate === "function" && "samples" in candidate;
const all = Object.values(ops).flatMap((file) => Object.values(file).filter(isOp));

/** A scalar that weighs every element of y differently, so that no error of a gradient cancels. */
function weighted(y: Value): Value {
  const random = createUniform(7);
  const weights = Float32Array.from({ length: sizeOf(y.type.shape) }, () => random() + 0.5);
  return sum(mul(y, constant(weights, y.type.shape)), {
    axes: y.type.shape.map((_, axis) => axis),
    keepDims: false,
  });
}

describe.each(all.map((op) => [op.name, op] as const))("%s", (_, op) => {
  it("has at least one sample", () => expect(op.samples.length).toBeGreaterThan(0));

  (op.samples as readonly Sample<Attrs>[]).forEach((sample, number) => {
    const drawn = drawInputs(sample, 100 + number);
    const y = applyOp(
      op,
      drawn.map(({ value }) => value),
      sample.attrs,
    );
    const feeds = Object.fromEntries(drawn.map(({ name, numbers }) => [name, numbers]));

    it(`sample ${number}: evaluates to the shape that it infers`, () => {
      expect(evaluateGraph({ outputs: { y } }, feeds).y).toHaveLength(sizeOf(y.type.shape));
    });

    if (typeof op.gradient === "string" || y.type.dtype !== "float32") return;
    for (const { name, value } of drawn.filter((each) => each.value.kind === "parameter"))
      it(`sample ${number}: its gradient in ${name} agrees with central differences`, () => {
        const loss = weighted(y);
        const [gradient] = gradients(loss, [value]);
        const got = evaluateGraph({ outputs: { gradient: gradient! } }, feeds).gradient!;
        expect(computeRelativeError(got, computeCentralDifferences(loss, feeds, name))).toBeLessThan(1e-6);
      });
  });
});
