/**
 * Attention sinks and a window: the first tokens of a text and the most recent ones (Xiao et al., Efficient Streaming Language
 * Models with Attention Sinks, 2023, arXiv 2309.17453). Unlike there, tokens keep their original positions, so that a text
 * ends at the model's context.
 */
import * as z from "zod";
import { budgetKey, requireRoom } from "./budget";
import { defineCachePolicy } from "./policy";

const options = z.strictObject({
  ...budgetKey,
  sinks: z.int().min(0).default(4).describe("Tokens at the start of the text that are always kept."),
});

export default defineCachePolicy<z.output<typeof options>>({
  title: "First and recent tokens",
  options,
  samples: [
    { budget: 5, sinks: 1 },
    { budget: 0.5, sinks: 0 },
  ],
  protect: ({ sinks }, budget) => {
    requireRoom("window", budget, { sinks, recent: 1 });
    return { sinks, recent: budget - sinks };
  },
});
