/**
 * Some tokens of a prompt stay for their scores, and others represent those that do not (Jha et al., KVCrush, ACML 2025, arXiv
 * 2503.00022). A token is a vector of bits, one for each head: whether the head ranks it among its best. Tokens are sorted by
 * the Hamming distance of their bits to an anchor, and representatives are evenly spaced in that order. Only prompts are
 * shortened: generated tokens are all kept.
 *
 * Bits are those of key-value heads, of which each chooses for itself. OpenVINO GenAI has the same anchors, but for blocks of
 * tokens: a block has a bit for each of its tokens, whether its score is in the better half of the layer's; representatives are
 * at multiples of a rounded step, and are added to the budget.
 */
import * as z from "zod";
import { createRandomStream } from "../representations/randomStream";
import { budgetKey, requireRoom } from "./budget";
import { findHighest } from "./choosePrompt";
import h2o from "./h2o";
import keyformer from "./keyformer";
import { type AnyCachePolicy, defineCachePolicy, type PromptScores, type Range } from "./policy";
import random from "./random";
import { countRecent, recentKey } from "./recent";
import snapkv from "./snapkv";

const bases: Readonly<Record<Options["base"], AnyCachePolicy>> = { h2o, keyformer, random, snapkv };

const options = z.strictObject({
  ...budgetKey,
  ...recentKey,
  base: z
    .enum(["h2o", "keyformer", "random", "snapkv"])
    .default("h2o")
    .describe(
      "The policy that scores tokens, with its defaults; with snapkv, the recent tokens are those that score the others.",
    ),
  representatives: z
    .number()
    .min(0)
    .max(1)
    .default(0.25)
    .describe("Share of the tokens that are not recent for representatives; the others are chosen by score."),
  top: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.5)
    .describe("Share of the tokens that a head ranks among its best, which is a bit of each token."),
  anchor: z
    .enum(["random", "zeros", "ones", "mean", "alternating"])
    .default("alternating")
    .describe(
      "The bits from which distances are measured; mean has those of the majority of the tokens to represent.",
    ),
});
type Options = z.output<typeof options>;

/** The bits of each token of the range, one for each head: [token][head]. */
function rankTokens(heads: readonly Float32Array[], range: Range, top: number): Uint8Array[] {
  const count = Math.floor(top * (range.to - range.from));
  const bits = Array.from({ length: range.to - range.from }, () => new Uint8Array(heads.length));
  heads.forEach((scores, head) => {
    for (const position of findHighest(scores, range, count)) bits[position - range.from]![head] = 1;
  });
  return bits;
}

function createAnchor(kind: Options["anchor"], tokens: readonly Uint8Array[], heads: number, seed: number) {
  const draw = createRandomStream("kvcrush", seed);
  const ofHead = {
    random: () => (draw() < 0.5 ? 0 : 1),
    zeros: () => 0,
    ones: () => 1,
    mean: (head: number) => (tokens.reduce((sum, bits) => sum + bits[head]!, 0) > tokens.length / 2 ? 1 : 0),
    alternating: (head: number) => head % 2,
  }[kind];
  return Uint8Array.from({ length: heads }, (_, head) => ofHead(head));
}

function choose(
  { heads, seed }: PromptScores,
  range: Range,
  count: number,
  { representatives, top, anchor: kind }: Options,
): number[][] {
  const byScore = count - Math.floor(representatives * count);
  const bits = rankTokens(heads, range, top);
  const bitsOf = (position: number) => bits[position - range.from]!;
  return heads.map((scores) => {
    const best = findHighest(scores, range, byScore);
    const chosen = new Set(best);
    const others: number[] = [];
    for (let position = range.from; position < range.to; position++)
      if (!chosen.has(position)) others.push(position);
    const anchor = createAnchor(kind, others.map(bitsOf), heads.length, seed);
    const distances = new Map(
      others.map((position) => [
        position,
        bitsOf(position).reduce((sum, bit, i) => sum + (bit === anchor[i] ? 0 : 1), 0),
      ]),
    );
    const sorted = others.sort((a, b) => distances.get(a)! - distances.get(b)! || a - b);
    const step = sorted.length / (count - byScore);
    for (let i = 0; i < count - byScore; i++) best.push(sorted[Math.floor((i + 0.5) * step)]!);
    return best;
  });
}

export default defineCachePolicy<Options>({
  title: "Tokens by score, and representatives of the others",
  options,
  samples: [
    { budget: 5, representatives: 0.5 },
    { budget: 0.5, recent: 0.25, base: "snapkv", representatives: 1, anchor: "mean" },
    { budget: 5, base: "keyformer", representatives: 0.7, anchor: "random" },
  ],
  keepsGenerated: true,
  protect: (own, budget) => requireRoom("kvcrush", budget, { sinks: 0, recent: countRecent(own, budget) }),
  countQueries: ({ base, ...own }, budget) =>
    base === "snapkv" ? Math.max(1, countRecent(own, budget)) : undefined,
  weigh: (attention, { base }) => bases[base].weigh!(attention, parseDefaults(base)),
  smooth: (scores, range, { base }) => bases[base].smooth?.(scores, range, parseDefaults(base)) ?? scores,
  choose,
});

const parseDefaults = (base: Options["base"]): unknown => bases[base].options.parse({});
