/**
 * Raises the rate of a method while a measure of the model stays within its limit, and keeps the last such model
 * (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, algorithm 1).
 */
import * as z from "zod";
import { findGoal } from "../../schema/goal";
import { type AnyMethod, planBetween } from "../compression/method";
import { trainingSchema } from "../compression/training";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { changeOptions, chooseMethod, defineStrategy, methodSchema } from "./strategy";

const rate = z.number().min(0).max(1);

const optionsSchema = z
  .strictObject({
    method: methodSchema.describe("The method and its fixed options."),
    start: rate
      .default(0.05)
      .describe(
        "The first rate. A method whose rate counts bits or clusters tries its values from largest to smallest instead.",
      ),
    step: z.number().gt(0).max(1).default(0.05).describe("How much the rate increases each time."),
    until: rate.default(1).describe("The last rate to try."),
    max_iterations: z.int().min(1).default(100).describe("The maximum number of rates to try."),
    metric: z
      .string()
      .regex(/^\w+\/\w+$/, "name a metric and its value, such as eval/loss or perplexity/token")
      .default("eval/loss")
      .describe(
        "The metric to hold, by its name in curves: `eval/loss`, `perplexity/token`, `classification/accuracy`.",
      ),
    higher_is_better: z
      .boolean()
      .optional()
      .describe("Whether higher values of the metric are better. Defaults to the metric's declaration."),
    threshold: z
      .number()
      .optional()
      .describe(
        "The worst acceptable value. Defaults to the value before the first rate, adjusted by `tolerance`.",
      ),
    tolerance: z
      .number()
      .min(0)
      .default(0.005)
      .describe("How much worse than before the first rate is acceptable."),
    stop: z
      .enum(["first_failure", "never"])
      .default("first_failure")
      .describe("Whether to stop at the first rate that is not acceptable."),
    train: trainingSchema,
  })
  .refine(
    ({ metric, higher_is_better }) => higher_is_better !== undefined || findGoal(metric) !== undefined,
    {
      error: ({ input }) =>
        `is required: ${(input as { metric: string }).metric} does not declare which direction is better. Set it to true or false.`,
      path: ["higher_is_better"],
    },
  )
  .refine(({ start, until }) => start <= until, {
    error: "has to be at least start",
    path: ["until"],
  });
type Options = z.output<typeof optionsSchema>;

export default defineStrategy<Options>({
  title: "Recursive compression",
  paper:
    "Belhaouari, Kraidia: Efficient self-attention with smart pruning for sustainable large language models, 2025",
  options: optionsSchema,
  needs: () => ["text"],
  samples: [
    { method: { magnitude: {} }, start: 0.2, step: 0.3 },
    { method: { irc: {} }, start: 0.5, step: 0.5, stop: "never", train: { max_steps: 1 } },
  ],

  // The number of rates depends on measurements: assume the last one.
  plan(before, options) {
    const chosen = chooseMethod(options.method);
    const last = changeOptions(chosen, { [chosen.method.rate]: listRates(options, chosen.method).at(-1)! });
    return planBetween(before, chosen.method.plan(before, last.options).shape, "least");
  },

  async apply(before, options, lab) {
    const chosen = chooseMethod(options.method);
    const { metric } = options;
    const up = options.higher_is_better ?? findGoal(metric) === "maximize";
    const start = await lab.evaluate(before, metric);
    const limit = options.threshold ?? (up ? start - options.tolerance : start + options.tolerance);
    const holds = (value: number) => (up ? value >= limit : value <= limit);
    lab.log(
      `${metric} is ${start.toFixed(4)}; ${up ? "at least" : "at most"} ${limit.toFixed(4)} is acceptable.`,
    );
    let best: Checkpoint = before;
    for (const rate of listRates(options, chosen.method)) {
      // Each rate is applied to the original model: a row that is already tied cannot be tied again.
      const { method, options: methodOptions } = changeOptions(chosen, { [chosen.method.rate]: rate });
      const compressed = await method.apply(before, methodOptions, lab);
      const trained = options.train === undefined ? compressed : await lab.train(compressed, options.train);
      const value = await lab.evaluate(trained, metric);
      const accepted = holds(value);
      lab.trial({ method: chosen.name, rate, metric, value, accepted, shape: trained.shape });
      lab.log(
        `${chosen.name} at ${rate}: ${metric} ${value.toFixed(4)}, ${accepted ? "accepted" : "reverted"}.`,
      );
      if (accepted) best = trained;
      else if (options.stop === "first_failure") break;
    }
    return { shape: best.shape, tensors: best.tensors };
  },
});

/** The levels of a method whose rate counts bits or the like, one after the other. */
function listRates(
  { start, step, until, max_iterations: most }: Options,
  { levels }: Pick<AnyMethod, "levels">,
): readonly number[] {
  if (levels !== undefined) return levels.slice(0, most);
  const rates: number[] = [];
  // Multiplied rather than added up, so that 0.1 + 0.05 + … gives round numbers.
  for (let i = 0; i < most && start + i * step <= until + 1e-9; i++)
    rates.push(Math.min(until, Number((start + i * step).toFixed(10))));
  return rates;
}
