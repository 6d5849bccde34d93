/**
 * The last tokens of a prompt select those that matter for the answer (Li et al., SnapKV: LLM Knows What You are Looking for
 * Before Generation, 2024, arXiv 2404.14469, section 4.1). Their attention is added up and pooled over neighbors; generated
 * tokens are all kept. Defaults are those of the published code. Unlike there, heads that share a key add up their attention
 * instead of keeping tokens of their own, and the earliest of equal scores, which are usual with maxima, are chosen.
 */
import * as z from "zod";
import { budgetKey, requireRoom } from "./budget";
import { defineCachePolicy, type Range } from "./policy";

const options = z.strictObject({
  ...budgetKey,
  window: z
    .int()
    .min(1)
    .default(32)
    .describe("Tokens at the end of the prompt that score the others, and are always kept."),
  kernel_size: z
    .int()
    .min(1)
    .default(5)
    .refine((size) => size % 2 === 1, { error: "has to be odd, so that a token is in the middle" })
    .describe("Neighbors, including the token itself, over which scores are pooled."),
  pooling: z.enum(["avg", "max"]).default("avg").describe("How scores are pooled."),
});
type Options = z.output<typeof options>;

/** Pools within the range; beyond it are zeros for the mean, as in PyTorch, and nothing for the maximum. */
function pool(
  scores: Float32Array,
  { from, to }: Range,
  { kernel_size: size, pooling }: Options,
): Float32Array {
  const half = (size - 1) / 2;
  return scores.map((score, at) => {
    if (at < from || at >= to) return score;
    const near = scores.subarray(Math.max(from, at - half), Math.min(to, at + half + 1));
    return pooling === "max" ? Math.max(...near) : near.reduce((sum, each) => sum + each, 0) / size;
  });
}

export default defineCachePolicy<Options>({
  title: "Tokens that the end of the prompt selects",
  options,
  samples: [
    { budget: 5, window: 2, kernel_size: 3 },
    { budget: 0.5, window: 1, kernel_size: 1, pooling: "max" },
  ],
  keepsGenerated: true,
  protect: ({ window }, budget) => requireRoom("snapkv", budget, { sinks: 0, recent: window }),
  countQueries: ({ window }) => window,
  weigh: ({ weights }) => weights,
  smooth: pool,
});
