/** How a sweep is searched: ranges of values, and methods that try some of the combinations instead of all. */
import * as z from "zod";
import { createChoice } from "./schemaParts";

/** More runs from one file are a mistake. */
export const maxRuns = 1000;

export const rangeSchema = z
  .strictObject({
    min: z.number().describe("Lowest value."),
    max: z.number().describe("Highest value, included."),
    scale: z
      .enum(["linear", "log"])
      .default("linear")
      .describe("`log` draws each order of magnitude equally often, as for learning rates."),
    integer: z.boolean().default(false).describe("Draw whole numbers only."),
  })
  .refine(({ min, max }) => min < max, { error: "needs a min that is less than its max" })
  .refine(({ min, scale }) => scale === "linear" || min > 0, {
    error: "with scale: log needs a min greater than 0",
  })
  .refine(({ min, max, integer }) => !integer || Math.ceil(min) <= Math.floor(max), {
    error: "with integer: true needs a whole number between its min and max",
  })
  .describe("A range that `search` draws values from.");

const seed = z.int().min(0).max(0x7fffffff).default(0).describe("Seed of the draws.");
const runs = z.int().positive().max(maxRuns);

export const searchMethods = {
  grid: z.strictObject({}).describe("Run every combination, as without `search`."),
  random: z
    .strictObject({ runs: runs.describe("Number of combinations to draw, for each variant."), seed })
    .describe("Run combinations drawn at random, each different."),
  halving: z
    .strictObject({
      runs: runs
        .optional()
        .describe("Number of combinations to draw, for each variant. Without it, every combination starts."),
      seed,
      metric: z
        .enum(["eval/loss", "train/loss"])
        .default("eval/loss")
        .describe("The loss by which runs are ranked; `train/loss` is its mean since the previous rung."),
      factor: z
        .int()
        .min(2)
        .default(3)
        .describe("At each rung the best 1/`factor` of the runs continue, with `factor` times the steps."),
      min_steps: z
        .int()
        .positive()
        .optional()
        .describe(
          "Fewest steps of the first rung. Without it, there are as many rungs as the number of runs can be divided by `factor`.",
        ),
    })
    .describe(
      "Successive halving (Hyperband's bracket, Li et al. 2018): all runs train for a share of `max_steps`, the best continue, the others are pruned.",
    ),
};

export const searchSchema = createChoice("method", searchMethods).describe(
  "How the `sweep` is searched: every combination (`grid`), combinations drawn at `random`, or those with successive `halving`.",
);

export type SweepRange = z.infer<typeof rangeSchema>;
export type SearchOptions =
  | { readonly method: "grid" }
  | ({ readonly method: "random" } & z.infer<typeof searchMethods.random>)
  | ({ readonly method: "halving" } & z.infer<typeof searchMethods.halving>);
