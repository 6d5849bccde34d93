/** The contract of every composite: right gradients, and the same numbers wherever its body runs. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { sizeOf, constant, type Value } from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { sum } from "../../src/backend/graph/ops/reduction";
import { getSamples } from "../support/catalogOps";
import { catalogComposites, compositeCases, listCalls } from "../support/compositeCases";
import { expectClose, runOn } from "../support/runGraph";
import {
  applyOp,
  computeCentralDifferences,
  computeRelativeError,
  createUniform,
  drawInputs,
} from "../support/sampleValues";

it("covers every composite", () => {
  const called = new Set(compositeCases.flatMap(({ graph }) => listCalls(graph).map(({ op }) => op.name)));
  expect([...called].sort()).toEqual(catalogComposites.map(({ name }) => name).sort());
});

/** A scalar that weighs every element of y differently, so that no error of a gradient cancels. */
function weigh(y: Value): Value {
  const random = createUniform(7);
  const weights = Float32Array.from({ length: sizeOf(y.type.shape) }, () => random() + 0.5);
  return sum(mul(y, constant(weights, y.type.shape)), {
    axes: y.type.shape.map((_, axis) => axis),
    keepDims: false,
  });
}

describe.each(
  catalogComposites.filter(({ gradient }) => gradient !== "stop").map((op) => [op.name, op] as const),
)("%s", (_, op) => {
  getSamples(op).forEach((sample, number) => {
    const drawn = drawInputs(sample, 100 + number);
    const feeds = Object.fromEntries(drawn.map(({ name, numbers }) => [name, numbers]));
    const inputs = drawn.map(({ value }) => value);
    const loss = weigh(applyOp(op, inputs, sample.attrs));
    it.each(drawn)(`sample ${number}: its gradient in $name agrees with central differences`, (each) => {
      // One by one and together, because an input that needs no gradient may select another formula.
      for (const wrt of [[each.value], inputs]) {
        const gradient = gradients(loss, wrt)[wrt.indexOf(each.value)]!;
        const got = evaluateGraph({ outputs: { gradient } }, feeds).gradient!;
        expect(computeRelativeError(got, computeCentralDifferences(loss, feeds, each.name))).toBeLessThan(
          1e-6,
        );
      }
    });
  });
});

describe("on ONNX Runtime", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine("cpu", { threads: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(compositeCases)("$title: the same numbers as the plain evaluation", async (each) => {
    expectClose(each, await runOn(engine, each), 1e-5);
  });
});
