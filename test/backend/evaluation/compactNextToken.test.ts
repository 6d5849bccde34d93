/** Caches that a policy keeps small: the same logits as the full cache where nothing is dropped, exact counts where it is. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cachePolicies } from "../../../src/backend/caches/catalog";
import { planLayers } from "../../../src/backend/caches/planLayers";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { CompactNextToken } from "../../../src/backend/evaluation/compactNextToken";
import { CachedNextToken, type NextToken } from "../../../src/backend/evaluation/nextToken";
import { findMostLikely } from "../../../src/backend/evaluation/sampling";
import { dimensionsOf } from "../../../src/backend/models/model";
import { testDevice } from "../../support/device";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const prompts = [
  [3, 1, 4, 1, 5, 9, 2, 6],
  [5, 3],
  [3, 5, 8, 1, 2],
];
const positions = 14;

function model(family: string) {
  const shape = createTinyShape(family);
  return { shape, tensors: drawModelTensors(shape, 7) };
}

function open(engine: Engine, family: string, name: string, values: Readonly<Record<string, unknown>>) {
  const given = model(family);
  const policy = cachePolicies[name]!;
  const chosen = { policy, options: policy.options.parse(values) as unknown };
  const { layers } = dimensionsOf(given.shape);
  return new CompactNextToken(engine, given, {
    chosen,
    positions,
    plan: (lengths) => planLayers(chosen, layers, positions, lengths),
    seeds: prompts.map((_, i) => i),
  });
}

/** Appends the most likely token of each text in each step. */
async function greedy(next: NextToken, steps: number): Promise<Float32Array[]> {
  const texts = prompts.map((ids) => ({ ids: [...ids], isOpen: true }));
  const all: Float32Array[] = [];
  for (let step = 0; step < steps; step++) {
    const logits = await next.logits(texts, new AbortController().signal);
    all.push(logits);
    const width = logits.length / texts.length;
    texts.forEach(({ ids }, i) => ids.push(findMostLikely(logits.subarray(i * width, (i + 1) * width))));
  }
  return all;
}

describe("a compact cache", () => {
  let engine: Engine;
  beforeAll(async () => (engine = await openEngine(testDevice)));
  afterAll(() => engine[Symbol.asyncDispose]());

  it.each(
    Object.entries(cachePolicies).flatMap(([name, { samples }]) =>
      ["gpt2", "llama", "gpt_neox"].map((family) => ({ name, family, sample: samples[0]! })),
    ),
  )("with a budget for the whole text changes no bit: $name of $family", async ({ name, family, sample }) => {
    const budget = "budget" in sample ? { budget: positions } : {};
    await using compact = open(engine, family, name, { ...sample, ...budget });
    await using full = new CachedNextToken(engine, model(family), { batch: prompts.length, slots: positions });
    const [got, wanted] = [await greedy(compact, 7), await greedy(full, 7)];
    expect(got.map((each) => Buffer.from(each.buffer).toString("base64"))).toEqual(
      wanted.map((each) => Buffer.from(each.buffer).toString("base64")),
    );
  });
});
