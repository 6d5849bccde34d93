/**
 * Retrieval heads keep all tokens; the other heads keep the first and the recent tokens, and one that compensates for the
 * dropped ones (Tang et al., RazorAttention: Efficient KV Cache Compression Through Retrieval Heads, ICLR 2025, arXiv
 * 2407.15891, Algorithm 1, where the first tokens are N₀ and the recent ones max(S₀, N / C)). Heads are found by a text of
 * random tokens that repeats four times: echo heads attend to earlier copies of a token, induction heads to the tokens after
 * them. Shares of heads, and that a key-value head counts by the best of its query heads, are as in the authors' code
 * (msmodelslim, ra_compression), whose text has 2,500 different tokens.
 */
import * as z from "zod";
import { defineCachePolicy, type HeadLists, type HeadScores } from "./policy";

const share = (usual: number) => z.number().min(0).max(1).default(usual);

const options = z.strictObject({
  sinks: z.int().min(0).default(4).describe("Tokens at the start of the text that are always kept."),
  recent_tokens: z
    .int()
    .min(1)
    .default(4000)
    .describe("Recent tokens that heads keep at least, if they do not keep all."),
  recent_share: share(0.2).describe(
    "Recent tokens that these heads keep, as a share of the whole text, if more.",
  ),
  compensation: z
    .boolean()
    .default(true)
    .describe("Keep the mean of the dropped keys and values, with the weight of all of them."),
  induction: share(0.14).describe("Share of all key-value heads that are retrieval heads for induction."),
  echo: share(0.01).describe("Share of all key-value heads that are retrieval heads for echo."),
  probe_tokens: z
    .int()
    .min(2)
    .default(128)
    .describe(
      "Different random tokens of the text that finds retrieval heads, in which they occur four times; fewer in a shorter context.",
    ),
  heads: z
    .array(z.array(z.int().min(0)))
    .optional()
    .describe("The retrieval heads: a list of key-value heads for each layer. They are found when left out."),
});
type Options = z.output<typeof options>;

/** The best scores of a share of all key-value heads, rounded: [layer][head]. */
function findBest(scores: HeadScores["echo"], kvHeads: number, part: number): Set<string> {
  const heads = scores.flatMap((ofQueries, layer) =>
    Array.from({ length: kvHeads }, (_, head) => {
      const each = ofQueries.length / kvHeads;
      return { key: `${layer}.${head}`, score: Math.max(...ofQueries.slice(head * each, (head + 1) * each)) };
    }),
  );
  const sorted = heads.toSorted((a, b) => b.score - a.score);
  return new Set(sorted.slice(0, Math.round(part * heads.length)).map(({ key }) => key));
}

function chooseHeads({ echo, induction }: HeadScores, kvHeads: number, own: Options): HeadLists {
  const best = [findBest(echo, kvHeads, own.echo), findBest(induction, kvHeads, own.induction)];
  return echo.map((_, layer) =>
    Array.from({ length: kvHeads }, (__, head) => head).filter((head) =>
      best.some((each) => each.has(`${layer}.${head}`)),
    ),
  );
}

export default defineCachePolicy<Options>({
  title: "All tokens in retrieval heads, recent ones in others",
  options,
  samples: [
    { sinks: 1, recent_tokens: 4, recent_share: 0, heads: [[0], []] },
    { sinks: 0, recent_tokens: 1, recent_share: 0.3, compensation: false, heads: [[], [0, 1]] },
  ],
  countTokens: ({ sinks, recent_tokens: least, recent_share: part }, positions) =>
    sinks + Math.max(least, Math.floor(part * positions)),
  retrieval: {
    given: ({ heads }) => heads?.map((each) => [...new Set(each)].sort((a, b) => a - b)),
    countTokens: ({ probe_tokens: count }) => count,
    choose: chooseHeads,
  },
  keepsMean: ({ compensation }) => compensation,
  protect: ({ sinks: most }, budget) => {
    const sinks = Math.min(most, budget);
    return { sinks, recent: budget - sinks };
  },
});
