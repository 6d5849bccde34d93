/** Attention in blocks, logits in chunks, layers recomputed: the same loss and gradients, in less memory. */
import { describe, expect, it } from "vitest";
import { estimateMemory } from "../../../src/backend/graph/cost";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { expandComposites } from "../../../src/backend/graph/expand";
import { type Graph, listInputs, sortTopologically } from "../../../src/backend/graph/graph";
import { sizeOf, type Value } from "../../../src/backend/graph/op";
import { recomputeGateName } from "../../../src/backend/graph/recompute";
import { openEngine } from "../../../src/backend/engine/open";
import {
  describeSavings,
  type MemorySavings,
  noSavings,
  computeSavingsBySize,
} from "../../../src/backend/training/memorySavings";
import { chooseMemorySavings } from "../../../src/backend/training/stepMemory";
import { createTrainee } from "../../../src/backend/training/trainee";
import {
  buildAccumulateStep,
  buildEvaluation,
  buildTrainStep,
  inverseCountName,
} from "../../../src/backend/training/trainStep";
import { createUniform } from "../../support/sampleValues";
import { tinyNames, createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { computeLargestRatio, openNoiseData, trainTiny } from "../../support/tinyRun";

const options = createTrainOptions();
const whole = noSavings;
const pieces: Readonly<Record<string, MemorySavings>> = {
  "attention in blocks that do not divide the time": { ...whole, attentionBlock: 3 },
  "logits in chunks that do not divide the tokens": { ...whole, lossChunk: 5 },
  "layers again": { ...whole, recompute: true },
  "all of them": { attentionBlock: 2, lossChunk: 4, recompute: true },
};

/** Seeded numbers for all inputs of a graph: two documents and padding, restarted positions, an ignored label. */
function feedsOf(graph: Graph, [rows, length]: readonly [number, number]): Record<string, number[]> {
  const place = Array.from({ length: rows * length }, (_, i) => i % length);
  const given: Readonly<Record<string, number[]>> = {
    segments: place.map((at) => (at < 3 ? 1 : at < length - 1 ? 2 : 0)),
    positions: place.map((at) => (at < 3 ? at : at - 3)),
    labels: place.map((at) => (at === length - 1 ? -100 : (at * 7) % 32)),
    [recomputeGateName]: [1],
    [inverseCountName]: [1 / (rows * (length - 1))],
    dropout_seed: [1234],
    keep_gradients: [0],
  };
  return Object.fromEntries(
    listInputs(graph).map(({ name, type }) => {
      const random = createUniform(name.length * 31 + name.charCodeAt(name.length - 1));
      const draw = type.dtype === "int32" ? () => Math.floor(random() * 32) : () => random() - 0.5;
      return [name, given[name] ?? Array.from({ length: sizeOf(type.shape) }, draw)];
    }),
  );
}

describe.each(tinyNames)("the gradients of %s", (name) => {
  const dropout =
    name === "gpt2"
      ? { attn_pdrop: 0.3, resid_pdrop: 0.2 }
      : name === "llama"
        ? { attention_dropout: 0.3 }
        : {
            attention_dropout: 0.3,
            resid_pdrop: 0.2,
            ...(name === "phi3" ? { sliding_window: 4 } : {}),
          };
  const cases = {
    "whole rows": { config: {}, segments: false },
    "documents and padding": { config: {}, segments: true },
    dropout: { config: dropout, segments: false },
  };
  for (const [what, { config, segments }] of Object.entries(cases))
    it(`equal those of the plain graph, with ${what}`, () => {
      const trainee = createTrainee(createTinyShape(name, config));
      const batch = { rows: 2, length: 8, segments, positions: segments };
      const outputsOf = (savings: MemorySavings) => {
        const graph = buildAccumulateStep(trainee, batch, options, savings);
        return evaluateGraph(graph, feedsOf(graph, [2, 8]));
      };
      const plain = outputsOf(whole);
      expect(Math.max(...plain["loss"]!)).toBeGreaterThan(0);
      for (const [how, savings] of Object.entries(pieces))
        for (const [output, numbers] of Object.entries(outputsOf(savings)))
          numbers.forEach((each, i) => expect(each, `${how}: ${output}`).toBeCloseTo(plain[output]![i]!, 11));
    });

  it("belong to a loss that equals that of an evaluation", () => {
    const trainee = createTrainee(createTinyShape(name));
    const batch = { rows: 2, length: 8, segments: true, positions: true };
    const [plain, cut] = [whole, pieces["all of them"]!].map((savings) => {
      const graph = buildEvaluation(trainee, batch, savings);
      return evaluateGraph(graph, feedsOf(graph, [2, 8]));
    });
    for (const output of ["loss", "per_token"])
      cut![output]!.forEach((each, i) => expect(each).toBeCloseTo(plain![output]![i]!, 12));
  });
});

describe("a step in chunks", () => {
  const length = 64;
  const shape = createTinyShape("kphi3", { max_position_embeddings: length, vocab_size: 256 });
  const trainee = createTrainee(shape);
  const batch = { rows: 1, length, segments: false, positions: false };
  const all = { attentionBlock: 16, lossChunk: 16, recompute: true };

  it("contains no scores or logits of the whole sequence", () => {
    const sizes = (savings: MemorySavings) =>
      sortTopologically(
        Object.values(expandComposites(buildTrainStep(trainee, batch, options, savings)).outputs),
      )
        .filter(({ kind }) => kind === "apply")
        .map(({ type }) => sizeOf(type.shape));
    const [scores, logits] = [4 * length * length, length * 256];
    expect(sizes(whole)).toEqual(expect.arrayContaining([scores, logits]));
    expect(Math.max(...sizes(all))).toBeLessThan(Math.min(scores, logits));
  });

  it("frees the logits of a chunk before the next one", () => {
    const outputs = Object.values(buildTrainStep(trainee, batch, options, all).outputs);
    const isLogits = (each: Value) =>
      each.kind === "apply" && each.op.name === "matmul" && each.type.shape[1] === 256;
    const logits = sortTopologically(outputs).filter(isLogits);
    const losses = sortTopologically(outputs).filter(
      (each) => each.kind === "apply" && each.op.name === "crossEntropy",
    );
    // The first chunk depends on nothing, the second on the loss of the first, and so on.
    const waits = logits.map((each) => {
      const above = new Set(sortTopologically([each]));
      return losses.filter((loss) => above.has(loss)).length;
    });
    expect(waits.sort()).toEqual([0, 1, 2, 3]);
  });

  it("computes the logits of a chunk once", () => {
    const rows = (savings: MemorySavings) =>
      sortTopologically(Object.values(buildTrainStep(trainee, batch, options, savings).outputs))
        .filter((each) => each.kind === "apply" && each.op.name === "matmul" && each.type.shape[1] === 256)
        .reduce((total, { type }) => total + type.shape[0]!, 0);
    expect(rows(whole)).toBe(length);
    expect(rows(all)).toBe(length);
  });

  it("is estimated to take less memory", () => {
    const estimate = (savings: MemorySavings) => {
      const graph = buildTrainStep(trainee, batch, options, savings);
      return estimateMemory(graph, graph.state).working;
    };
    expect(estimate(all)).toBeLessThan(0.5 * estimate(whole));
  });

  it("trains to the plain losses on the engine, in blocks, in chunks and in both with dropout", async () => {
    await using engine = await openEngine("cpu", { threads: 1 });
    using data = await openNoiseData(2000);
    const run = (name: "gpt2" | "kphi3", given: Readonly<Record<string, unknown>>) =>
      trainTiny({
        engine,
        data,
        shape: createTinyShape(name, name === "gpt2" ? { attn_pdrop: 0.2 } : { attention_dropout: 0.2 }),
        validation: data.validation,
        options: createTrainOptions({
          max_steps: 5,
          learning_rate: 0.01,
          per_device_train_batch_size: 2,
          ...given,
        }),
      });
    for (const name of ["gpt2", "kphi3"] as const) {
      const plain = await run(name, { attention_block_size: false, loss_chunk_size: false });
      const cut = await run(name, {
        attention_block_size: 5,
        loss_chunk_size: 8,
        gradient_checkpointing: true,
      });
      expect(computeLargestRatio(cut.losses, plain.losses)).toBeLessThan(1e-4);
      expect(cut.metrics["eval/loss"]![0]![1]).toBeCloseTo(plain.metrics["eval/loss"]![0]![1], 4);
      expect(cut.logs).toContain(
        "To save memory: attention in blocks of 5 queries, logits of 8 tokens at a time, layers recomputed in the backward pass.",
      );
      expect(plain.logs.filter((line) => line.startsWith("To save"))).toEqual([]);
    }
  });
});

describe("auto", () => {
  it("splits nothing in a small model, and everything in a large one according to its sizes", () => {
    const dimensions = createTrainee(createTinyShape("kphi3")).dimensions;
    const small = computeSavingsBySize({ dimensions }, { rows: 8, length: 256 }, options);
    expect(small).toEqual(whole);
    expect(describeSavings(small)).toBeUndefined();
    const large = { dimensions: { ...dimensions, heads: 32, vocabulary: 32064 } };
    expect(computeSavingsBySize(large, { rows: 1, length: 4096 }, options)).toEqual({
      attentionBlock: 512,
      lossChunk: 1024,
      recompute: false,
    });
  });

  it("recomputes layers if the plan does not fit", () => {
    const trainee = createTrainee(createTinyShape("llama"));
    const batch = { rows: 2, length: 16, segments: false, positions: false };
    const graph = buildTrainStep(trainee, batch, options, whole);
    const { state, working } = estimateMemory(graph, graph.state);
    expect(chooseMemorySavings(trainee, batch, options, state + working).recompute).toBe(false);
    expect(chooseMemorySavings(trainee, batch, options, state + working - 1).recompute).toBe(true);
    const never = createTrainOptions({ gradient_checkpointing: false });
    expect(chooseMemorySavings(trainee, batch, never, 0).recompute).toBe(false);
  });
});
