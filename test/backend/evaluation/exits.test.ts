/** Texts that leave a model at an exit, and drafts that the whole model checks. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { DraftNextToken } from "../../../src/backend/evaluation/draftNextToken";
import { ExitNextToken } from "../../../src/backend/evaluation/exitNextToken";
import { CachedNextToken, type NextToken } from "../../../src/backend/evaluation/nextToken";
import { findMostLikely } from "../../../src/backend/evaluation/sampling";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, type Value } from "../../../src/backend/graph/op";
import { models } from "../../../src/backend/models/catalog";
import { buildExitLogits } from "../../../src/backend/models/exitForward";
import { getExitLayers } from "../../../src/backend/models/exits";
import {
  buildHiddenStates,
  createValue,
  dimensionsOf,
  familyOf,
  forward,
  parametersOf,
} from "../../../src/backend/models/model";
import { testDevice } from "../../support/device";
import { distinctFamilies } from "../../support/families";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const prompts = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [5, 3],
  [3, 5, 8, 1, 2],
];
const slots = 16;
const { signal } = new AbortController();

const decoders = distinctFamilies.filter((name) => models[name]!.mask === "causal");

function createModel(family: string, exits: readonly number[] = [1, 3], seed = 7) {
  const changes = { [familyOf(family).keys.layers]: 4, exit_layers: exits };
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, seed) };
}

/** The same model with less certain predictions, so that some exits are and some are not confident. */
function soften({ shape, tensors }: ReturnType<typeof createModel>) {
  const { weight, bias } = familyOf(shape.family).inputSources(shape.config).at(-1)!.norm!;
  const scaled = [...tensors].map(([name, tensor]) => {
    const factor = name === weight || name === bias ? 0.5 : 1;
    return [name, { ...tensor, data: (tensor.data as Float32Array).map((each) => each * factor) }] as const;
  });
  return { shape, tensors: new Map(scaled) };
}

/** Appends the most likely token of each text in each step; the logits of each text and step. */
async function greedy(next: NextToken, steps: number, starts: readonly (readonly number[])[]) {
  const texts = starts.map((ids) => ({ ids: [...ids], isOpen: true }));
  const all: Float32Array[][] = texts.map(() => []);
  for (let step = 0; step < steps; step++) {
    const logits = await next.logits(texts, signal);
    const width = logits.length / texts.length;
    texts.forEach(({ ids }, i) => {
      const own = logits.slice(i * width, (i + 1) * width);
      all[i]!.push(own);
      ids.push(findMostLikely(own));
    });
  }
  return { texts: texts.map(({ ids }) => ids), logits: all };
}

const toBits = (logits: readonly Float32Array[]): string[] =>
  logits.map((each) => Buffer.from(each.buffer).toString("base64"));

describe("exits", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  /** Greedy texts of the whole model, one by one. */
  async function writeFully(model: ReturnType<typeof createModel>, steps: number) {
    const written = { texts: [] as number[][], logits: [] as Float32Array[][] };
    await using full = new CachedNextToken(engine, model, { batch: 1, slots });
    for (const prompt of prompts) {
      full.forget();
      const { texts, logits } = await greedy(full, steps, [prompt]);
      written.texts.push(...texts);
      written.logits.push(...logits);
    }
    return written;
  }

  it.each(decoders)("with a threshold above 1 change no bit: %s", async (family) => {
    const model = createModel(family);
    await using exits = new ExitNextToken(
      engine,
      model,
      { batch: prompts.length, slots },
      { threshold: 1.01, confidence: "probability" },
    );
    const [got, wanted] = [await greedy(exits, 7, prompts), await writeFully(model, 7)];
    expect(got.logits.map(toBits)).toEqual(wanted.logits.map(toBits));
    expect(exits.exitUse.tokens).toEqual([0, 0, 18]);
  });

  it.each(decoders)("draft tokens and leave the greedy text as it is: %s", async (family) => {
    const model = createModel(family);
    const { texts } = await writeFully(model, 8);
    for (const [draft, tokens] of [
      [1, 1],
      [3, 2],
      [1, 5],
    ] as const) {
      const sizes = { batch: prompts.length, slots };
      await using drafts = new DraftNextToken(engine, model, sizes, { draft, tokens });
      expect((await greedy(drafts, 8, prompts)).texts).toEqual(texts);
      const { drafted, tokens: counts } = drafts.exitUse;
      expect(counts[0]! + counts[1]!).toBe(7 * prompts.length);
      expect(drafted).toBeGreaterThan(0);
    }
  });

  it.each([
    { family: "llama", threshold: 0.12 },
    { family: "gpt2", threshold: 0.14 },
    { family: "gemma2", threshold: 0.6 },
  ])(
    "fill skipped layers from the state at the exit, as a pass without a cache does: $family",
    async ({ family, threshold }) => {
      const model = family === "gemma2" ? createModel(family) : soften(createModel(family));
      const policy = { threshold, confidence: "probability" } as const;
      await using exits = new ExitNextToken(engine, model, { batch: prompts.length, slots }, policy);
      const { texts, logits } = await greedy(exits, 8, prompts);
      const plain = texts.map((ids, i) =>
        leavePlainly(model, ids.slice(0, -1), prompts[i]!.length, threshold),
      );
      const counts = [0, 0, 0];
      plain.forEach(({ rows, left }, i) => {
        rows.forEach((row, step) => expect(computeRelativeError(logits[i]![step]!, row)).toBeLessThan(1e-3));
        for (const exit of left) counts[exit]!++;
      });
      expect(exits.exitUse.tokens).toEqual(counts);
      expect(Math.min(counts[0]! + counts[1]!, counts[2]!)).toBeGreaterThan(0);
    },
  );

  it("are taken by each text apart from the others of its batch", async () => {
    const model = createModel("llama");
    const policy = { threshold: 0.6, confidence: "probability" } as const;
    await using together = new ExitNextToken(engine, model, { batch: prompts.length, slots }, policy);
    const { logits } = await greedy(together, 8, prompts);
    for (const [i, prompt] of prompts.entries()) {
      await using alone = new ExitNextToken(engine, model, { batch: 1, slots }, policy);
      expect(toBits((await greedy(alone, 8, [prompt])).logits[0]!)).toEqual(toBits(logits[i]!));
    }
  });

  it.each(["probability", "classifier"] as const)(
    "count the FLOPs of the layers, heads and copies of each token: %s",
    async (confidence) => {
      const model = soften(createModel("llama"));
      await using exits = new ExitNextToken(
        engine,
        model,
        { batch: prompts.length, slots },
        { threshold: confidence === "probability" ? 0.12 : 0.6, confidence },
      );
      await greedy(exits, 8, prompts);
      const { tokens, flops, fullFlops } = exits.exitUse;
      expect(Math.min(...tokens)).toBeGreaterThan(0);
      const { width, heads, kvHeads, headDim, vocabulary } = dimensionsOf(model.shape);
      const keysAndValues = 2 * 2 * width * kvHeads * headDim;
      const products = 2 * 2 * width * heads * headDim + 3 * 2 * width * 24;
      const layer = keysAndValues + products + 2 * 2 * heads * headDim * slots;
      const head = 2 * width * vocabulary;
      const [translated, scores] = [2 * width * width, 2 * width * 3];
      const look = confidence === "classifier" ? scores : translated + head;
      const leave = confidence === "classifier" ? translated + head : 0;
      const costs = [
        layer + look + leave + 3 * keysAndValues,
        3 * layer + 2 * look + leave + keysAndValues,
        4 * layer + 2 * look + head,
      ];
      expect(flops).toBe(tokens.reduce((sum, count, i) => sum + count * costs[i]!, 0));
      expect(fullFlops).toBe(7 * prompts.length * (4 * layer + head));
    },
  );

  it("accept every draft of layers that already predict what the whole model does", async () => {
    const { shape, tensors } = createModel("llama");
    // The layers after the exit add nothing, and the exit changes nothing.
    const isIdle = (name: string) =>
      name.startsWith("exits.") || /layers\.[123]\.(self_attn\.o_proj|mlp\.down_proj)\.weight/.test(name);
    const idle = new Map(
      [...tensors].map(([name, { data, ...rest }]) => [
        name,
        { ...rest, data: isIdle(name) ? new Float32Array(data.length) : data },
      ]),
    );
    const sizes = { batch: 1, slots };
    await using drafts = new DraftNextToken(engine, { shape, tensors: idle }, sizes, { draft: 1, tokens: 2 });
    await greedy(drafts, 10, [prompts[1]!]);
    // After the prompt: a token and the two that were drafted after it, three times.
    expect(drafts.exitUse).toMatchObject({ layers: [1, 4], tokens: [6, 3], drafted: 6 });
  });
});

/**
 * The logits of each step for a text whose prompt passes all layers, in double precision without a cache: the input of a layer
 * at a token that left is its state at the exit.
 */
function leavePlainly(
  { shape, tensors }: ReturnType<typeof createModel>,
  ids: readonly number[],
  promptLength: number,
  threshold: number,
) {
  const { layers, width, vocabulary } = dimensionsOf(shape);
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const source = (name: string) => values.get(name)!;
  const inputs = { tokens: input("tokens", [1, ids.length], "int32") };
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  const evaluate = (output: Value, state: Float64Array | undefined) =>
    evaluateGraph({ outputs: { output } }, { ...feeds, tokens: ids, ...(state && { state: [...state] }) })[
      "output"
    ]!;
  const state = input("state", [ids.length, width]);
  const row = (all: Float64Array, at: number, size: number) => all.subarray(at * size, (at + 1) * size);
  const left = new Map<number, { exit: number; logits: Float64Array; state: Float64Array }>();
  let states: Float64Array | undefined;
  for (let layer = 0; layer < layers; layer++) {
    const section = { from: layer, to: layer + 1, ...(states && { state }) };
    states = evaluate(buildHiddenStates(shape, source, inputs, { section }), states);
    for (const [at, { state: own }] of left) states.set(own, at * width);
    const exit = getExitLayers(shape.config).indexOf(layer + 1);
    if (exit < 0) continue;
    const logits = evaluate(buildExitLogits(shape, source, inputs, layer + 1, state), states);
    for (let at = promptLength; at < ids.length; at++) {
      const own = row(logits, at, vocabulary);
      const top = Math.max(...own);
      const confidence = 1 / own.reduce((sum, each) => sum + Math.exp(each - top), 0);
      if (confidence >= threshold && !left.has(at))
        left.set(at, { exit, logits: own, state: row(states, at, width).slice() });
    }
  }
  const section = { from: layers, state };
  const full = evaluate(forward(shape, source, inputs, { section }), states);
  const steps = ids.slice(promptLength - 1).map((_, i) => promptLength - 1 + i);
  return {
    rows: steps.map((at) => left.get(at)?.logits ?? row(full, at, vocabulary)),
    left: steps.slice(1).map((at) => left.get(at)?.exit ?? 2),
  };
}
