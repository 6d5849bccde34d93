/** Retrieval heads, which keep all tokens, and the compensation for the tokens that other heads drop. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { planLayers } from "../../../src/backend/caches/planLayers";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { CompactNextToken } from "../../../src/backend/evaluation/compactNextToken";
import { chooseCache } from "../../../src/backend/evaluation/parseInference";
import { CachedNextToken, type NextToken } from "../../../src/backend/evaluation/nextToken";
import { checkCache, openNextToken } from "../../../src/backend/evaluation/openNextToken";
import {
  describeRetrievalHeads,
  findRetrievalHeads,
  scoreHeads,
} from "../../../src/backend/evaluation/retrievalHeads";
import { dimensionsOf, type ModelShape } from "../../../src/backend/models/model";
import { testDevice } from "../../support/device";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const { signal } = new AbortController();
const positions = 16;

interface Model {
  readonly shape: ModelShape;
  readonly tensors: ReturnType<typeof drawModelTensors>;
}

/** A random model, of which some tensors are replaced by `values`, by the number of each element. */
function createModel(
  family: string,
  changes: Readonly<Record<string, unknown>>,
  values: (name: string) => ((i: number) => number) | undefined = () => undefined,
): Model {
  const shape = createTinyShape(family, changes);
  const tensors = new Map(
    [...drawModelTensors(shape, 7)].map(([name, tensor]) => {
      const value = values(name);
      const data = value === undefined ? tensor.data : Float32Array.from(tensor.data, (_, i) => value(i));
      return [name, { shape: tensor.shape, data }] as const;
    }),
  );
  return { shape, tensors };
}

function open(engine: Engine, model: Model, values: Readonly<Record<string, unknown>>, batch: number) {
  const chosen = chooseCache("razor", values);
  const dimensions = dimensionsOf(model.shape);
  return new CompactNextToken(engine, model, {
    chosen,
    positions,
    plan: (lengths) => planLayers(chosen, dimensions, positions, lengths),
    seeds: Array.from({ length: batch }, () => 0),
  });
}

/** The logits of each step, while the texts grow by these tokens. */
async function follow(next: NextToken, prompts: readonly (readonly number[])[], more: readonly number[]) {
  const texts = prompts.map((ids) => ({ ids: [...ids], isOpen: true }));
  const all = [await next.logits(texts, signal)];
  for (const token of more) {
    for (const { ids } of texts) ids.push(token);
    all.push(await next.logits(texts, signal));
  }
  return all;
}

async function compare(
  engine: Engine,
  model: Model,
  values: Readonly<Record<string, unknown>>,
  texts: Texts,
) {
  await using compact = open(engine, model, values, texts.prompts.length);
  await using full = new CachedNextToken(engine, model, { batch: texts.prompts.length, slots: positions });
  const got = await follow(compact, texts.prompts, texts.more);
  const wanted = await follow(full, texts.prompts, texts.more);
  return got.map((logits, step) => computeRelativeError(logits, wanted[step]!));
}

interface Texts {
  readonly prompts: readonly (readonly number[])[];
  readonly more: readonly number[];
}

describe("razor", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  describe("with equal dropped tokens", () => {
    // In one layer without positions, equal tokens have equal keys and values.
    const model = createModel("gpt2", { n_layer: 1 }, (name) =>
      name.endsWith("wpe.weight") ? () => 0 : undefined,
    );
    // The second prompt drops nothing at first; what is dropped in any step is token 4.
    const texts = {
      prompts: [
        [7, 4, 4, 4, 4, 4, 4],
        [7, 4],
      ],
      more: [4, 4, 4, 4, 5, 3, 9],
    };
    const values = { sinks: 1, recent_tokens: 3, recent_share: 0, heads: [[]] };

    it("gives the logits of all tokens, because the compensation is exact", async () => {
      for (const error of await compare(engine, model, values, texts)) expect(error).toBeLessThan(1e-5);
    });

    it("gives others without compensation", async () => {
      const errors = await compare(engine, model, { ...values, compensation: false }, texts);
      expect(errors[0]).toBeLessThan(1e-5);
      expect(Math.max(...errors)).toBeGreaterThan(1e-3);
    });
  });

  it("keeps heads apart without changing their results", async () => {
    const model = createModel("llama", { num_attention_heads: 8, num_key_value_heads: 4, hidden_size: 32 });
    // Nothing is dropped before the last step, although the others have smaller tables.
    const values = { sinks: 2, recent_tokens: 8, recent_share: 0, heads: [[2, 0], [3]] };
    const texts = { prompts: [[3, 1, 4, 1, 5, 9], [2]], more: [6, 5, 3, 5] };
    for (const error of await compare(engine, model, values, texts)) expect(error).toBeLessThan(1e-5);
  });

  it("keeps all tokens in retrieval heads, and sinks and recent ones in the others", async () => {
    const model = createModel("llama", {});
    const values = { sinks: 1, recent_tokens: 4, recent_share: 0, heads: [[1], []] };
    const prompt = [3, 1, 4, 1, 5, 9, 2, 6];
    await using compact = open(engine, model, values, 2);
    const readAll = (length: number) => [...Array(length).keys()];
    await follow(compact, [prompt, prompt.slice(0, 3)], []);
    expect(await compact.readPositions()).toEqual([
      [[0, 4, 5, 6, 7], readAll(8), readAll(3), readAll(3)],
      [[0, 4, 5, 6, 7], [0, 4, 5, 6, 7], readAll(3), readAll(3)],
    ]);
    const { headDim } = dimensionsOf(model.shape);
    // A slot has a key, a value and a position; another one has the mean, and each head a count.
    const bytesOf = (slots: number) => 2 * slots * (2 * headDim * 4 + 4);
    expect(compact.cacheBytes).toBe(bytesOf(positions) + 3 * (bytesOf(5 + 2) + 2 * 4));
  });

  it("has the same mean of tokens that the prompt drops and of tokens that are dropped one by one", async () => {
    // In a single layer, keys and values do not depend on what was dropped before.
    const model = createModel("gpt2", { n_layer: 1 });
    const values = { sinks: 1, recent_tokens: 3, recent_share: 0, heads: [[1]] };
    const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
    const read = async (prompt: number) => {
      await using compact = open(engine, model, values, 1);
      return (await follow(compact, [text.slice(0, prompt)], text.slice(prompt))).at(-1)!;
    };
    const wanted = await read(2);
    for (const prompt of [5, 7, 10])
      expect(computeRelativeError(await read(prompt), wanted), `${prompt}`).toBeLessThan(1e-5);
  });

  it("keeps the same tokens after the prompt and after steps", async () => {
    const model = createModel("llama", {});
    const values = { sinks: 1, recent_tokens: 4, recent_share: 0, heads: [[1], []] };
    await using compact = open(engine, model, values, 1);
    await follow(compact, [[3, 1, 4, 1, 5, 9]], [2, 6, 5]);
    const [[others, retrieval]] = (await compact.readPositions()) as [[number[], number[]], number[][]];
    expect(others).toEqual([0, 4, 5, 6, 7, 8]);
    expect(retrieval).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  describe("finds heads", () => {
    // Channels 0 to 15 have the token, 16 to 47 the position, and 48 to 63 the previous token, which head 0 of layer 0 writes.
    const width = 64;
    const perHead = 32;
    const tokenAt = 0;
    const positionAt = 16;
    const previousAt = 48;
    /** c_attn with a factor from one channel to an element of the queries (0), keys (1) or values (2) of a head. */
    const wire = (
      ...links: readonly (readonly [part: number, head: number, channel: number, to: number])[]
    ) => {
      const set = new Set(
        links.map(([part, head, channel, to]) => channel * 3 * width + part * width + head * perHead + to),
      );
      return (i: number) => (set.has(i) ? 8 : 0);
    };
    const numbers = (count: number) => [...Array(count).keys()];
    const planted = createModel(
      "gpt2",
      { vocab_size: 16, n_positions: 32, n_embd: width, n_layer: 2, n_head: 2 },
      (name) => {
        const [row, column] = [(i: number) => Math.floor(i / width), (i: number) => i % width];
        if (name.endsWith("wte.weight")) return (i) => (column(i) === tokenAt + row(i) ? 1 : 0);
        if (name.endsWith("wpe.weight")) return (i) => (column(i) === positionAt + row(i) ? 1 : 0);
        if (name.includes("ln_") && name.endsWith("weight")) return () => 1;
        if (name.endsWith("h.0.attn.c_attn.weight"))
          return wire(
            // Head 0 attends to the previous position: its query at p is its key at p - 1.
            ...numbers(31).map((i) => [0, 0, positionAt + i + 1, i] as const),
            ...numbers(31).map((i) => [1, 0, positionAt + i, i] as const),
            ...numbers(16).map((i) => [2, 0, tokenAt + i, i] as const),
            // Head 1 attends to the same token.
            ...numbers(16).flatMap((i) => [[0, 1, tokenAt + i, i] as const, [1, 1, tokenAt + i, i] as const]),
          );
        if (name.endsWith("h.0.attn.c_proj.weight"))
          return (i) => (row(i) < 16 && column(i) === previousAt + row(i) ? 1 : 0);
        if (name.endsWith("h.1.attn.c_attn.weight"))
          // Head 1 attends to tokens whose previous one is its own; head 0 to all alike.
          return wire(
            ...numbers(16).flatMap((i) => [
              [0, 1, tokenAt + i, i] as const,
              [1, 1, previousAt + i, i] as const,
            ]),
          );
        return () => 0;
      },
    );
    // 7 tokens four times in 29 of 32 positions.
    const count = 7;
    const queries = numbers(4 * count + 1).slice(count + 1);
    const meanOf = (score: (copies: number, query: number) => number) =>
      queries.reduce((sum, query) => sum + score(Math.floor((query - 1) / count), query), 0) / queries.length;

    it("by planted patterns, with scores in closed form", async () => {
      const { echo, induction } = await scoreHeads(engine, planted, 1000);
      const uniform = meanOf((copies, query) => copies / (query + 1));
      // An echo head attends to its own token as well.
      const wantedEcho = [0, meanOf((copies) => copies / (copies + 1)), uniform, 0];
      const wantedInduction = [0, 0, uniform, 1];
      wantedEcho.forEach((wanted, i) => expect(echo.flat()[i]).toBeCloseTo(wanted, 4));
      wantedInduction.forEach((wanted, i) => expect(induction.flat()[i]).toBeCloseTo(wanted, 4));
    });

    it("and keeps the best of each kind", async () => {
      const find = async (values: Readonly<Record<string, unknown>>) =>
        (await findRetrievalHeads(engine, planted, { cache: chooseCache("razor", values) }, signal)).cache!;
      const both = await find({ echo: 0.25, induction: 0.25 });
      expect(both.heads).toEqual([[1], [1]]);
      expect(describeRetrievalHeads(both)).toBe(
        "cache razor: 2 key-value heads keep all tokens (layer 0: 1; layer 1: 1), found by their attention to repeated tokens",
      );
      expect((await find({ echo: 0, induction: 0.5 })).heads).toEqual([[], [0, 1]]);
      // 14 % of four heads are one, and 1 % is none.
      expect((await find({})).heads).toEqual([[], [1]]);
      expect((await find({ heads: [[0], []] })).headScores).toBeUndefined();
    });

    it("of keys by the best of their queries", () => {
      const { policy, options } = chooseCache("razor", { echo: 0.5, induction: 0 });
      const scores = [[0.1, 0.9, 0.5, 0.6]];
      expect(policy.retrieval!.choose({ echo: scores, induction: scores }, 2, options)).toEqual([[0]]);
    });
  });

  it("refuses heads that the model does not have, and models in which none can be found", () => {
    const check = (
      values: Readonly<Record<string, unknown>>,
      changes: Readonly<Record<string, unknown>> = {},
    ) =>
      checkCache(
        { shape: createTinyShape("gpt2", changes), inference: { cache: chooseCache("razor", values) } },
        [2],
        4,
      );
    expect(() => check({ heads: [[0]] })).toThrow(/heads of 1 layer, but the model has 2/);
    expect(() => check({ heads: [[0], [2]] })).toThrow(
      /head 2 of layer 1, but the model has 2 key-value heads/,
    );
    expect(() => check({}, { n_positions: 8 })).toThrow(/a context of 8 tokens/);
    expect(() => check({ heads: [[], [1]] }, { n_positions: 8 })).not.toThrow();
    const model = createModel("gpt2", {});
    const cache = chooseCache("razor", {});
    expect(() =>
      openNextToken(engine, { ...model, inference: { cache } }, { batch: 1, slots: 8 }, [0]),
    ).toThrow(/were not found/);
  });
});
