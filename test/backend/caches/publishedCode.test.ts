/** Policies keep the tokens that their published code keeps (test/fixtures/caches.json, by scripts/reference/caches.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { cachePolicies } from "../../../src/backend/caches/catalog";
import { choosePrompt } from "../../../src/backend/caches/choosePrompt";
import { type ChosenPolicy, CompactCache, listLayerTables } from "../../../src/backend/caches/compactCache";
import { type HeadPlan, planLayers } from "../../../src/backend/caches/planLayers";
import { scoreChunk } from "../../../src/backend/caches/promptScores";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, sizeOf, type Value } from "../../../src/backend/graph/op";
import { drawUniform } from "../../support/referenceModel";

interface Case {
  readonly policy: string;
  readonly options: Readonly<Record<string, unknown>> & { readonly budget: number; readonly recent?: number };
  /** Whether the published code ran with its slice of recent tokens corrected. */
  readonly isRepaired?: boolean;
  /** Positions after the prompt and after each step: [step][head]. */
  readonly kept: number[][][];
}

const file = new URL("../../fixtures/caches.json", import.meta.url);
type Sizes = Record<"heads" | "headDim" | "prompt" | "steps" | "bound" | "spread" | "drift", number>;
const fixture = JSON.parse(readFileSync(file, "utf8")) as Sizes & { readonly cases: readonly Case[] };
const { heads, headDim, prompt, steps, bound, spread, drift, cases } = fixture;
const dimensions = { vocabulary: 1, context: 100, layers: 1, width: 1, heads, kvHeads: heads, headDim };
const scale = 1 / Math.sqrt(headDim);

/** Queries and keys as `tokens` of the script draws them, [heads, count, headDim]. */
function drawTokens(step: number) {
  const [start, count] = step === 0 ? [0, prompt] : [prompt + step - 1, 1];
  const draw = (name: string) =>
    Float32Array.from(drawUniform(`${name}.${step}`, heads * count * headDim, bound), (x) => x * spread);
  const [queries, keys] = [draw("queries"), draw("keys")];
  for (let row = 0; row < heads * count; row++) {
    queries[row * headDim] = 1;
    keys[row * headDim] = drift * (start + (row % count));
  }
  return { queries, keys, count };
}

/** The noise of `draw_noise`, of queries and positions: [heads, count, positions]. */
function drawNoise(step: number, count: number, positions: number): Float64Array {
  // drawUniform has 2·x / 2³² - 1 for the bits x.
  return drawUniform(`noise.${step}`, heads * count * positions, 1).map((each) => {
    const fraction = (each + 1) / 2 + 0.5 / 2 ** 32;
    return -Math.log(-Math.log(fraction));
  });
}

/** The policy with noise from an input of the graph instead of its own. */
function withNoise({ policy, options }: ChosenPolicy, noise: Value): ChosenPolicy {
  const weigh = (attention: Parameters<NonNullable<typeof policy.weigh>>[0]) =>
    policy.weigh!({ ...attention, noise: () => noise }, options);
  return { policy: { ...policy, weigh }, options };
}

/** The positions that the policy keeps of the prompt, [head], and the scores of all. */
function readPrompt(chosen: ChosenPolicy, { budget, protect }: HeadPlan) {
  const { queries, keys, count } = drawTokens(0);
  const rows = input("queries", [1, heads, count, headDim]);
  const call = { queries: rows, keys: input("keys", rows.type.shape), values: rows, causal: true, scale };
  const int = (name: string, shape: readonly number[]) => input(name, shape, "int32");
  const inputs = {
    positions: int("positions", [1, count]),
    lengths: int("lengths", [1]),
    seeds: int("seeds", [1]),
    unread: int("unread", []),
  };
  const noisy = withNoise(chosen, input("noise", [1, heads, count, count]));
  const { scores } = evaluateGraph(
    { outputs: { scores: scoreChunk(noisy, 0, budget, call, inputs) } },
    {
      ...{ queries, keys, noise: drawNoise(0, count, count) },
      ...{ positions: [...Array(count).keys()], lengths: [count], seeds: [0], unread: [0] },
    },
  );
  const ofHeads = Array.from({ length: heads }, (_, head) =>
    Float32Array.from(scores!.slice(head * count, (head + 1) * count)),
  );
  return { positions: choosePrompt(chosen, protect, budget, count, ofHeads, 0), scores: ofHeads };
}

function plan({ policy: name, options: values }: Case) {
  const policy = cachePolicies[name]!;
  const chosen: ChosenPolicy = { policy, options: policy.options.parse(values) as unknown };
  const layers = planLayers(chosen, dimensions, prompt + steps, [prompt]);
  return { chosen, layers, group: layers[0]!.groups[0]! };
}

/** The positions that are kept after the prompt and after each step: [step][head]. */
function run(each: Case): number[][][] {
  const { chosen, layers, group } = plan(each);
  const { slots } = group;
  const sizes = { batch: 1, positions: prompt + steps, layers };
  const types = listLayerTables(chosen, dimensions, sizes, 0);
  const start = readPrompt(chosen, group);
  const { keys: promptKeys } = drawTokens(0);

  let tables: Record<string, ArrayLike<number>> = Object.fromEntries(
    [...types].map(([table, { shape }]) => [table, new Float64Array(sizeOf(shape))]),
  );
  const empty = new Float64Array(heads * slots).fill(-1);
  tables["0.position"] = empty;
  start.positions.forEach((positions, head) =>
    positions.forEach((position, slot) => {
      empty[head * slots + slot] = position;
      const from = (head * prompt + position) * headDim;
      (tables["0.key"] as Float64Array).set(
        promptKeys.subarray(from, from + headDim),
        (head * slots + slot) * headDim,
      );
      const scores = tables["0.score"] as Float64Array | undefined;
      if (scores !== undefined) scores[head * slots + slot] = start.scores[head]![position]!;
    }),
  );

  const past = new Map([...types].map(([table, { dtype, shape }]) => [table, input(table, shape, dtype)]));
  const int = (table: string, shape: readonly number[]) => input(table, shape, "int32");
  const inputs = {
    positions: int("positions", [1, 1]),
    lengths: int("lengths", [1]),
    seeds: int("seeds", [1]),
  };
  const noisy = withNoise(chosen, input("noise", [1, heads, 1, slots]));
  const cache = new CompactCache(noisy, dimensions, sizes, inputs, (table) => past.get(table)!);
  const token = input("queries", [1, heads, 1, headDim]);
  const call = { queries: token, keys: input("keys", token.type.shape), values: token };
  cache.attend(0, { ...call, causal: true, scale });
  const graph = { outputs: Object.fromEntries(cache.next) };

  return Array.from({ length: steps }, (__, i) => {
    const position = prompt + i;
    const { queries, keys } = drawTokens(i + 1);
    const feeds = (noise: ArrayLike<number>) => ({
      ...{ ...tables, queries, keys, noise },
      ...{ positions: [position], lengths: [prompt], seeds: [0] },
    });
    // Which slot a token takes does not depend on its noise.
    const held = evaluateGraph(graph, feeds(new Float64Array(heads * slots)))["0.position"]!;
    const byPosition = drawNoise(i + 1, 1, position + 1);
    const noise = Float64Array.from(held, (at, slot) =>
      at < 0 ? 0 : byPosition[Math.floor(slot / slots) * (position + 1) + at]!,
    );
    tables = evaluateGraph(graph, feeds(noise));
    return Array.from({ length: heads }, (_, head) =>
      [...held.slice(head * slots, (head + 1) * slots)]
        .filter((at) => at >= 0 && at < position)
        .sort((a, b) => a - b),
    );
  });
}

const title = ({ policy, options }: Case) => `${policy} with ${JSON.stringify(options)}`;
const pooled = cases.filter(({ options }) => options["pooling"] === "max");
const same = cases.filter((each) => each.isRepaired !== false && !pooled.includes(each));
const published = cases.filter(({ isRepaired }) => isRepaired === false);

describe("the published code", () => {
  it.each(same.map((each) => ({ each, name: title(each) })))("keeps the same tokens: $name", ({ each }) => {
    const kept = run(each);
    each.kept.slice(0, steps).forEach((wanted, step) => expect(kept[step], `step ${step}`).toEqual(wanted));
  });

  // Neighbors of a maximum have the same pooled score, and torch.topk leaves open which of them it takes.
  it.each(pooled.map((each) => ({ each, name: title(each) })))(
    "keeps tokens of the same scores: $name",
    ({ each }) => {
      const { chosen, group } = plan(each);
      const { positions, scores } = readPrompt(chosen, group);
      const range = { from: 0, to: prompt - group.protect.recent };
      const { policy, options } = chosen;
      positions.forEach((kept, head) => {
        const pool = policy.smooth!(scores[head]!, range, options);
        const scoresOf = (from: Iterable<number>) =>
          [...from].filter((at) => at < range.to).map((at) => pool[at]!);
        const wanted = each.kept[0]![head]!;
        expect(scoresOf(kept).sort()).toEqual(scoresOf(wanted).sort());
        expect([...kept].filter((at) => at >= range.to)).toEqual(wanted.filter((at) => at >= range.to));
      });
    },
  );

  it.each(published.map((each) => ({ each, name: title(each) })))(
    "of keyformer drops every token that leaves the recent ones: $name",
    ({ each }) => {
      const { budget, recent } = each.options;
      const count = Math.floor(recent! * budget);
      const [ours] = run(each);
      const oldest = prompt - count;
      expect(each.kept[0]).toEqual(ours!.map((head) => head.filter((at) => at !== oldest)));
      each.kept.forEach((ofHeads, step) =>
        ofHeads.forEach((head, i) => {
          const old = each.kept[0]![i]!.filter((at) => at < oldest);
          const latest = Array.from({ length: count - 1 }, (_, j) => oldest + 1 + step + j);
          expect(head).toEqual([...old, ...latest]);
        }),
      );
    },
  );
});
