/**
 * Heavy hitters: recent tokens, and those that received the most attention so far (Zhang et al., H2O: Heavy-Hitter Oracle for
 * Efficient Generative Inference of Large Language Models, NeurIPS 2023, arXiv 2306.14048, Algorithm 1). As in the published
 * code (h2o_hf/utils_real_drop), the attention of all queries is added up and half of the budget is for recent tokens. Unlike
 * there, tokens keep their original positions, and heads that share a key add up their attention.
 */
import * as z from "zod";
import { budgetKey, requireRoom } from "./budget";
import { defineCachePolicy } from "./policy";
import { countRecent, recentKey } from "./recent";

const options = z.strictObject({ ...budgetKey, ...recentKey });

export default defineCachePolicy<z.output<typeof options>>({
  title: "Heavy hitters",
  options,
  samples: [{ budget: 5 }, { budget: [0.5, 4], recent: 0.25 }],
  protect: (own, budget) => requireRoom("h2o", budget, { sinks: 0, recent: countRecent(own, budget) }),
  weigh: ({ weights }) => weights,
});
