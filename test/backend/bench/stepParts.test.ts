/** Which part of the model each value of a training step belongs to. */
import { expect, it } from "vitest";
import { assignStepParts, type StepPart } from "../../../src/backend/bench/stepParts";
import { TimedTraining } from "../../../src/backend/bench/timedTraining";
import { openEngine } from "../../../src/backend/engine/open";
import { sortTopologically } from "../../../src/backend/graph/graph";
import type { Value } from "../../../src/backend/graph/op";
import { models } from "../../../src/backend/models/catalog";
import { createShape } from "../../../src/backend/models/model";
import { createTrainee } from "../../../src/backend/training/trainee";
import { buildTrainStep } from "../../../src/backend/training/trainStep";
import { trainSchema } from "../../../src/schema/experiment";

const batch = { rows: 2, length: 8, segments: false, positions: false };

const withoutDropout: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  gpt2: { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
};

function assign(family: string, train: Record<string, unknown> = {}) {
  const shape = createShape({ model_type: family, ...models[family]!.tiny, ...withoutDropout[family] });
  const graph = buildTrainStep(createTrainee(shape), batch, trainSchema.parse(train));
  const order = sortTopologically(Object.values(graph.outputs));
  return { graph, order, parts: assignStepParts(shape, graph) };
}

const partsOfOp = (order: readonly Value[], parts: ReadonlyMap<Value, StepPart>, name: string) =>
  new Set(
    order.flatMap((value) => (value.kind === "apply" && value.op.name === name ? [parts.get(value)] : [])),
  );

for (const family of ["gpt2", "llama", "phi3", "kphi3"])
  for (const gradient_checkpointing of [false, true])
    it(`assigns every value of ${family}${gradient_checkpointing ? " with recomputed layers" : ""}`, () => {
      const { graph, order, parts } = assign(family, { gradient_checkpointing, weight_decay: 0.1 });
      expect(order.filter((value) => value.kind === "apply" && !parts.has(value))).toEqual([]);
      expect(partsOfOp(order, parts, "crossEntropy")).toEqual(new Set(["loss"]));
      expect(partsOfOp(order, parts, "dotProductAttention")).toEqual(new Set(["attention"]));
      expect(partsOfOp(order, parts, family === "gpt2" ? "layerNorm" : "rmsNorm")).toEqual(
        new Set(["norms"]),
      );
      const activation = family === "gpt2" ? "geluTanh" : "silu";
      expect(partsOfOp(order, parts, activation)).toEqual(new Set(["feed-forward"]));
      // The backward pass has twice the products of the forward pass, in the same parts.
      expect(partsOfOp(order, parts, "matmul")).toEqual(new Set(["attention", "feed-forward", "loss"]));
      for (const output of Object.keys(graph.state))
        expect(parts.get(graph.outputs[output]!)).toBe("optimizer");
    });

it("profiles every operation of a step under its part", async () => {
  await using engine = await openEngine("cpu");
  const shape = createShape({ model_type: "gpt2", ...models["gpt2"]!.tiny });
  await using training = await TimedTraining.open(engine, { shape, rows: 2, length: 8 }, true);
  await training.step();
  await training.step();
  const profile = (await training.finish(1))!;
  const names = profile.parts.map(({ name }) => name).sort();
  expect(names).toEqual(["attention", "embeddings", "feed-forward", "loss", "norms", "optimizer"]);
  const count = (shares: readonly { readonly nodes: number }[]) =>
    shares.reduce((total, { nodes }) => total + nodes, 0);
  expect(count(profile.parts)).toBe(count(profile.kinds));
  expect(profile.kinds.find(({ name }) => name === "Gemm")?.flops).toBeGreaterThan(0);
  expect(profile.nodeSeconds).toBeLessThanOrEqual(profile.seconds);
});
