/**
 * Key tokens by a regularized score: the attention of Gumbel noise added to the scores, at a temperature that rises with each
 * generated token (Adnan et al., Keyformer: KV Cache Reduction through Key Tokens Selection for Efficient Generative
 * Inference, MLSys 2024, arXiv 2403.09054, equations 6 to 10, Algorithm 1). Defaults are those of the published code, which
 * keeps other tokens than its Algorithm 1: its mask of recent tokens has a column for the next token, and so drops every token
 * that leaves the recent ones, whatever its score. Here such a token competes with the others by its score. The published
 * share is of the prompt, and here of the whole text.
 */
import * as z from "zod";
import { scalar } from "../graph/op";
import { add, cast, div, mul } from "../graph/ops/elementwise";
import { softmax } from "../graph/ops/normalization";
import { budgetKey, requireRoom } from "./budget";
import { defineCachePolicy } from "./policy";
import { countRecent, recentKey } from "./recent";

const options = z.strictObject({
  ...budgetKey,
  budget: budgetKey.budget.default(0.6),
  recent: recentKey.recent.default(0.3),
  tau_init: z.number().positive().default(1).describe("Temperature for the prompt."),
  tau_delta: z
    .number()
    .min(0)
    .default(0.01)
    .describe("Increase of the temperature with each generated token."),
  noise: z
    .enum(["gumbel", "none"])
    .default("gumbel")
    .describe(
      "Noise that is added to the scores; without it, tokens that are rarely attended to are forgotten early.",
    ),
});

export default defineCachePolicy<z.output<typeof options>>({
  title: "Key tokens by a score with Gumbel noise",
  options,
  samples: [{ budget: 5 }, { budget: 0.5, recent: 0.5, tau_init: 2, noise: "none" }],
  protect: (own, budget) => requireRoom("keyformer", budget, { sinks: 0, recent: countRecent(own, budget) }),
  weigh: ({ scores, generated, noise }, { tau_init: start, tau_delta: rise, noise: kind }) => {
    const noisy = kind === "none" ? scores : add(scores, noise());
    const tau = add(mul(cast(generated, { to: "float32" }), scalar(rise)), scalar(start));
    return softmax(div(noisy, tau));
  },
});
