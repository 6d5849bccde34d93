/** Caches that a policy keeps small: the same logits as the full cache where nothing is dropped, exact counts where it is. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cachePolicies } from "../../../src/backend/caches/catalog";
import { type Budget, resolveBudgets } from "../../../src/backend/caches/budget";
import { planLayers } from "../../../src/backend/caches/planLayers";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { CompactNextToken } from "../../../src/backend/evaluation/compactNextToken";
import { chooseCache } from "../../../src/backend/evaluation/parseInference";
import { CachedNextToken, type NextToken } from "../../../src/backend/evaluation/nextToken";
import { findMostLikely } from "../../../src/backend/evaluation/sampling";
import { dimensionsOf } from "../../../src/backend/models/model";
import { testDevice } from "../../support/device";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const prompts = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [5, 3],
  [3, 5, 8, 1, 2],
];
const positions = 14;
const { signal } = new AbortController();

function model(family: string, changes: Readonly<Record<string, unknown>> = {}) {
  const shape = createTinyShape(family, changes);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

interface Case {
  readonly family: string;
  readonly changes?: Readonly<Record<string, unknown>>;
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
  readonly texts?: readonly (readonly number[])[];
  readonly seeds?: readonly number[];
}

function open(engine: Engine, { family, changes, name, values, texts = prompts, seeds }: Case) {
  const given = model(family, changes);
  const chosen = chooseCache(name, values);
  const dimensions = dimensionsOf(given.shape);
  return new CompactNextToken(engine, given, {
    chosen,
    positions,
    plan: (lengths) => planLayers(chosen, dimensions, positions, lengths),
    seeds: seeds ?? texts.map((_, i) => i),
  });
}

/** Appends the most likely token of each text in each step; the logits of each text and step. */
async function greedy(next: NextToken, steps: number, starts = prompts as readonly (readonly number[])[]) {
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
  return all;
}

/** Also different for 0 and -0. */
const toBits = (logits: readonly Float32Array[]): string[] =>
  logits.map((each) => Buffer.from(each.buffer).toString("base64"));

const policies = Object.entries(cachePolicies);
const bounded = policies.filter(([, { keepsAll }]) => keepsAll !== true);
const budgeted = bounded.filter(([, policy]) => policy.countTokens === undefined);
/** Keys that make a policy keep the whole text. */
const whole = { budget: positions, recent_tokens: positions };

describe("a compact cache", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(
    policies.flatMap(([name, { samples }]) =>
      ["gpt2", "llama", "gpt_neox"].map((family) => ({ name, family, sample: samples[0]! })),
    ),
  )(
    "with a budget for the whole text gives the same logits, on the CPU bit for bit: $name of $family",
    async ({ name, family, sample }) => {
      const values = {
        ...sample,
        ...Object.fromEntries(Object.entries(whole).filter(([key]) => key in sample)),
      };
      await using compact = open(engine, { family, name, values });
      await using full = new CachedNextToken(engine, model(family), {
        batch: prompts.length,
        slots: positions,
      });
      const [got, wanted] = [await greedy(compact, 7), await greedy(full, 7)];
      // Kernels of other devices may add in another order where there is a mask.
      if (testDevice === "cpu") expect(got.map(toBits)).toEqual(wanted.map(toBits));
      got.forEach((logits, text) =>
        logits.forEach((own, step) =>
          expect(computeRelativeError(own, wanted[text]![step]!), `step ${step}`).toBeLessThan(1e-5),
        ),
      );
    },
  );

  it.each(budgeted.flatMap(([name, { samples }]) => samples.map((values) => ({ name, values }))))(
    "keeps exactly its budget, at the end and at the start: $name with $values",
    async ({ name, values }) => {
      const { policy, options } = {
        policy: cachePolicies[name]!,
        options: cachePolicies[name]!.options.parse(values) as { readonly budget: Budget },
      };
      await using compact = open(engine, { family: "llama", name, values });
      await greedy(compact, 1);
      const budgets = resolveBudgets(options.budget, 2, positions);
      const kept = await compact.readPositions();
      for (const [layer, budget] of budgets.entries()) {
        const { sinks, recent } = policy.protect(options, budget);
        prompts.forEach(({ length }, text) =>
          [0, 1].forEach((head) => {
            const own = kept[layer]![text * 2 + head]!;
            expect(own).toHaveLength(Math.min(budget, length));
            expect(new Set(own).size).toBe(own.length);
            if (sinks > 0) expect(own.slice(0, sinks)).toEqual([...Array(Math.min(sinks, length)).keys()]);
            expect(own.filter((at) => at >= length - recent)).toHaveLength(Math.min(recent, length));
          }),
        );
      }
    },
  );

  it.each(budgeted.map(([name, { samples }]) => ({ name, values: samples[0]! })))(
    "holds as many tokens as its slots after every step: $name",
    async ({ name, values }) => {
      const { keepsGenerated } = cachePolicies[name]!;
      await using compact = open(engine, { family: "llama", name, values });
      const steps = 6;
      await greedy(compact, steps);
      const [layer] = await compact.readPositions();
      prompts.forEach(({ length }, text) => {
        const read = length + steps - 1;
        const most = keepsGenerated === true ? Math.min(5, length) + steps - 1 : Math.min(read, 5 + 1);
        expect(layer![text * 2]).toHaveLength(most);
        expect(layer![text * 2]!.at(-1)).toBe(read - 1);
      });
    },
  );

  it.each(bounded.map(([name, { samples }]) => ({ name, values: samples[0]! })))(
    "gives a text the same logits whatever else is in its batch: $name",
    async ({ name, values }) => {
      await using together = open(engine, { family: "llama", name, values });
      const all = await greedy(together, 5);
      for (const [i, prompt] of prompts.entries()) {
        await using alone = open(engine, { family: "llama", name, values, texts: [prompt], seeds: [i] });
        const [own] = await greedy(alone, 5, [prompt]);
        own!.forEach((logits, step) =>
          expect(computeRelativeError(logits, all[i]![step]!), `text ${i}, step ${step}`).toBeLessThan(1e-5),
        );
      }
    },
  );

  it("with a window and no sinks equals a model with a sliding window", async () => {
    const starts = [[3], [7]];
    const values = { budget: 4, sinks: 0 };
    const changes = { sliding_window: null };
    await using compact = open(engine, { family: "mistral", changes, name: "window", values, texts: starts });
    const sliding = model("mistral", { sliding_window: 5 });
    await using full = new CachedNextToken(engine, sliding, { batch: 2, slots: positions });
    const [got, wanted] = [await greedy(compact, 12, starts), await greedy(full, 12, starts)];
    got.forEach((logits, text) =>
      logits.forEach((own, step) =>
        expect(computeRelativeError(own, wanted[text]![step]!), `step ${step}`).toBeLessThan(1e-5),
      ),
    );
  });

  it("draws other tokens with another seed, and the same with the same", async () => {
    const draw = async (seeds: readonly number[]) => {
      await using compact = open(engine, { family: "llama", name: "random", values: { budget: 5 }, seeds });
      await greedy(compact, 4);
      return await compact.readPositions();
    };
    expect(await draw([1, 2, 3])).toEqual(await draw([1, 2, 3]));
    expect(await draw([1, 2, 3])).not.toEqual(await draw([4, 5, 6]));
  });

  it("refuses a model with a window that a policy would ignore", async () => {
    const given = model("mistral", { sliding_window: 5 });
    const policy = cachePolicies["h2o"]!;
    const chosen = { policy, options: policy.options.parse({ budget: 5 }) as unknown };
    const plan = (lengths: readonly number[]) =>
      planLayers(chosen, { layers: 2, kvHeads: 2 }, positions, lengths);
    await using compact = new CompactNextToken(engine, given, { chosen, positions, plan, seeds: [0] });
    await expect(greedy(compact, 2, [[1, 2]])).rejects.toThrow(/attend only to the last 5 tokens/);
  });
});

describe("budgets", () => {
  it("are shares up to 1, rounded down but at least a token, and numbers of tokens beyond", () => {
    expect(resolveBudgets(0.25, 2, 1000)).toEqual([250, 250]);
    expect(resolveBudgets(1, 1, 7)).toEqual([7]);
    expect(resolveBudgets(0.01, 1, 7)).toEqual([1]);
    expect(resolveBudgets([0.5, 3], 2, 9)).toEqual([4, 3]);
    expect(resolveBudgets(100, 1, 9)).toEqual([9]);
    expect(() => resolveBudgets([2, 3], 4, 9)).toThrow(/2 entries, but the model has 4 layers/);
  });

  it("that are too small for what is always kept are refused with the smallest one", () => {
    const window = cachePolicies["window"]!;
    expect(() => window.protect(window.options.parse({ sinks: 4 }), 4)).toThrow(
      /no room for 4 sink tokens and 1 recent token. Raise the budget to at least 5/,
    );
  });
});
