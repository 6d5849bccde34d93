/**
 * Raises the rate of a method as long as a measure of the model holds, and keeps the last model that held (Belhaouari and
 * Kraidia, Scientific Reports 15:10171, 2025, algorithm 1).
 */
import * as z from "zod";
import { findGoal } from "../../schema/goal";
import { type AnyMethod, planBetween } from "../compression/method";
import { trainingSchema } from "../compression/training";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { changed, chosenMethod, defineStrategy, oneMethod } from "./strategy";

const rate = z.number().min(0).max(1);

const options = z
  .strictObject({
    method: oneMethod.describe("The method, with the options that stay as they are."),
    start: rate
      .default(0.05)
      .describe(
        "The first rate; a method whose rate counts bits or clusters goes through those from the most to the fewest instead.",
      ),
    step: z.number().gt(0).max(1).default(0.05).describe("How much is added to the rate each time."),
    until: rate.default(1).describe("The last rate that is tried."),
    max_iterations: z.int().min(1).default(100).describe("Rates that are tried, at most."),
    metric: z
      .string()
      .regex(/^\w+\/\w+$/, "name a metric and its value, such as eval/loss or perplexity/token")
      .default("eval/loss")
      .describe(
        "What has to hold, by its name in curves: `eval/loss`, `perplexity/token`, `classification/accuracy`.",
      ),
    higher_is_better: z
      .boolean()
      .optional()
      .describe("Whether more of the metric is better; when left out, as the metric declares it."),
    threshold: z.number().optional().describe("The worst value that still holds; `tolerance` when left out."),
    tolerance: z
      .number()
      .min(0)
      .default(0.005)
      .describe("How much worse than before the first rate still holds."),
    stop: z
      .enum(["first_failure", "never"])
      .default("first_failure")
      .describe("Whether the first rate that does not hold is the last one."),
    train: trainingSchema,
  })
  .refine(
    ({ metric, higher_is_better }) => higher_is_better !== undefined || findGoal(metric) !== undefined,
    {
      error: ({ input }) =>
        `is required: ${(input as { metric: string }).metric} does not declare which way it is better. Set it to true or false.`,
      path: ["higher_is_better"],
    },
  )
  .refine(({ start, until }) => start <= until, {
    error: "has to be at least start",
    path: ["until"],
  });
type Options = z.output<typeof options>;

export default defineStrategy<Options>({
  title: "Recursive compression",
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options,
  needs: () => ["text"],
  samples: [
    { method: { magnitude: {} }, start: 0.2, step: 0.3 },
    { method: { irc: {} }, start: 0.5, step: 0.5, stop: "never", train: { max_steps: 1 } },
  ],

  // How far it goes depends on what is measured: no further than the last rate.
  plan(before, given) {
    const chosen = chosenMethod(given.method);
    const last = changed(chosen, { [chosen.method.rate]: ratesOf(given, chosen.method).at(-1)! });
    return planBetween(before, chosen.method.plan(before, last.options).shape, "least");
  },

  async apply(before, given, lab) {
    const chosen = chosenMethod(given.method);
    const { metric } = given;
    const up = given.higher_is_better ?? findGoal(metric) === "maximize";
    const start = await lab.evaluate(before, metric);
    const limit = given.threshold ?? (up ? start - given.tolerance : start + given.tolerance);
    const holds = (value: number) => (up ? value >= limit : value <= limit);
    lab.log(
      `${metric} is ${start.toFixed(4)}; what is ${up ? "at least" : "at most"} ${limit.toFixed(4)} holds.`,
    );
    let best: Checkpoint = before;
    for (const rate of ratesOf(given, chosen.method)) {
      // Each rate is applied to the model as it was: a row that is tied already cannot be tied again.
      const { method, options: own } = changed(chosen, { [chosen.method.rate]: rate });
      const compressed = await method.apply(before, own, lab);
      const trained = given.train === undefined ? compressed : await lab.train(compressed, given.train);
      const value = await lab.evaluate(trained, metric);
      const accepted = holds(value);
      lab.trial({ method: chosen.name, rate, metric, value, accepted, shape: trained.shape });
      lab.log(
        `${chosen.name} at ${rate}: ${metric} ${value.toFixed(4)}, ${accepted ? "kept" : "taken back"}.`,
      );
      if (accepted) best = trained;
      else if (given.stop === "first_failure") break;
    }
    return { shape: best.shape, tensors: best.tensors };
  },
});

/** Of a method whose rate counts bits or the like its own levels, one after the other. */
function ratesOf(
  { start, step, until, max_iterations: most }: Options,
  { levels }: Pick<AnyMethod, "levels">,
): readonly number[] {
  if (levels !== undefined) return levels.slice(0, most);
  const rates: number[] = [];
  // Counted rather than added up, so that 0.1 + 0.05 + … comes to round numbers.
  for (let i = 0; i < most && start + i * step <= until + 1e-9; i++)
    rates.push(Math.min(until, Number((start + i * step).toFixed(10))));
  return rates;
}
