/** The contract of every composite: right gradients, and the same numbers wherever its body runs. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { expandComposites } from "../../src/backend/graph/expand";
import { sizeOf, constant, type Value } from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { sum } from "../../src/backend/graph/ops/reduction";
import { getSamples } from "../support/catalogOps";
import { catalogComposites, compositeCases, listCalls } from "../support/compositeCases";
import { expectClose, runOn } from "../support/runGraph";
import { torchSkipReason } from "../support/torch";
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

describe.each(["cpu", "torch:cpu"] as const)("on %s", (device) => {
  const reason = device === "cpu" ? undefined : torchSkipReason;
  if (reason !== undefined) {
    it("every composite", ({ skip }) => {
      console.log(`composites on ${device} are skipped: ${reason}`);
      skip(reason);
    });
    return;
  }
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(device, { threads: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(compositeCases)("$title: the same numbers as the plain evaluation", async (each) => {
    expectClose(each, await runOn(engine, each), 1e-5);
  });

  // PyTorch has kernels for calls; without calls it runs the bodies.
  it.each(compositeCases)("$title: its body has the same numbers", async (each) => {
    expectClose(each, await runOn(engine, { ...each, graph: expandComposites(each.graph) }), 1e-5);
  });
});

it("PyTorch has kernels for composites of the catalog only", () => {
  const path = fileURLToPath(new URL("../../python/lathe_torch/kernels.py", import.meta.url));
  const names = [...readFileSync(path, "utf8").matchAll(/^@kernel\("(\w+)"/gm)].map(([, name]) => name);
  expect(names.length).toBeGreaterThan(0);
  expect(catalogComposites.map(({ name }) => name)).toEqual(expect.arrayContaining(names));
});
