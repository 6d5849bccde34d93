/** Compares every operation and its gradient on real devices with the plain evaluation in double precision. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { gradients } from "../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { dropout } from "../../src/backend/graph/functions";
import { encodeOnnx } from "../../src/backend/graph/onnx";
import { input, parameter, type Value } from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { scatterRows } from "../../src/backend/graph/ops/indexing";
import { sum } from "../../src/backend/graph/ops/reduction";
import { catalogOps, getSamples } from "../support/catalogOps";
import { expectClose, expectSession, type GraphCase, runOn } from "../support/runGraph";
import { applyOp, computeRelativeError, createUniform, drawInputs } from "../support/sampleValues";
import { torchSkipReason } from "../support/torch";
import { webgpuSkipReason } from "../support/webgpu";

// WGSL only guarantees an error of 2⁻¹¹ for these two, and only between -π and π.
const webgpuTolerance: Readonly<Record<string, number>> = { sin: 1e-3, cos: 1e-3 };

interface Case extends GraphCase {
  readonly name: string;
}

/** Each sample's value `y` and its gradients, if any. */
const cases: readonly Case[] = catalogOps.flatMap((op) =>
  getSamples(op).map((sample, number) => {
    const drawn = drawInputs(sample, 100 + number);
    const y = applyOp(
      op,
      drawn.map(({ value }) => value),
      sample.attrs,
    );
    const outputs: Record<string, Value> = { y };
    if (typeof op.gradient !== "string" && y.type.dtype === "float32") {
      const floats = drawn.filter(({ value }) => value.kind === "parameter");
      const loss = sum(mul(y, y), { axes: y.type.shape.map((_, axis) => axis), keepDims: false });
      const found = gradients(
        loss,
        floats.map(({ value }) => value),
      );
      found.forEach((gradient, i) => (outputs[`gradient of ${floats[i]!.name}`] = gradient));
    }
    return { name: op.name, title: `${op.name}, sample ${number}`, graph: { outputs }, drawn };
  }),
);

describe.each([
  ["cpu", () => 1e-5],
  ["webgpu", (name: string) => webgpuTolerance[name] ?? 1e-4],
  ["torch:cpu", () => 1e-5],
] as const)("on %s", (device, tolerance) => {
  const reason = { cpu: undefined, webgpu: webgpuSkipReason, "torch:cpu": torchSkipReason }[device];
  if (reason !== undefined) {
    it("every operation", ({ skip }) => {
      console.log(`operations on ${device} are skipped: ${reason}`);
      skip(reason);
    });
    return;
  }
  let engine: Engine;
  beforeAll(async () => {
    engine = await openEngine(device, { threads: 2 });
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(cases)("$title: the same numbers and gradients", async (each) => {
    expectClose(each, await runOn(engine, each), tolerance(each.name));
  });

  it("dropout draws the same mask as the plain evaluation", async () => {
    const shape = [3, 5, 64];
    const ones = Array.from({ length: 960 }, () => 1);
    const drawn = [
      { name: "x", value: parameter("x", shape), numbers: ones },
      { name: "seed", value: input("seed", [], "int32"), numbers: [-1_234_567_891] },
    ];
    const [x, seed] = drawn.map(({ value }) => value) as [Value, Value];
    const each = { name: "dropout", title: "", drawn, graph: { outputs: { y: dropout(x, 0.3, seed, 5) } } };
    expectClose(each, await runOn(engine, each), 1e-6);
  });
});

describe("as a portable file", () => {
  it.each(cases)("$title: the same numbers and gradients", async (each) => {
    await expectSession(each, encodeOnnx(each.graph, { portable: true }));
  });
});

describe("scatterRows on the CPU", () => {
  // With another form of this operation, threads that added to the same row concurrently sometimes lost updates.
  it.each([
    [4096, 4, 3],
    [2048, 96, 65],
    [2000, 1, 3000],
  ])("sums %i rows of width %i into %i the same way 200 times", async (count, width, rows) => {
    await using engine = await openEngine("cpu", { threads: 4 });
    const random = createUniform(count);
    const index = Int32Array.from({ length: count }, () => Math.floor(random() * Math.min(rows, 50)));
    const updates = Float32Array.from({ length: count * width }, () => random() - 0.5);
    const [i, u] = [input("i", [count], "int32"), parameter("u", [count, width])];
    const graph = { outputs: { y: scatterRows(i, u, { rows }) } };
    await using program = await engine.compile(graph);
    const feeds = { i: engine.upload(i.type, index), u: engine.upload(u.type, updates) };
    const run = async () =>
      Buffer.from(((await (await program.run(feeds)).y!.read()) as Float32Array).slice().buffer);
    const first = await run();
    const numbers = new Float32Array(first.buffer, first.byteOffset, rows * width);
    const wanted = evaluateGraph(graph, { i: Array.from(index), u: updates }).y!;
    expect(computeRelativeError(numbers, wanted)).toBeLessThan(1e-5);
    for (let repeat = 1; repeat < 200; repeat++)
      expect((await run()).equals(first), `run ${repeat}`).toBe(true);
  });
});
