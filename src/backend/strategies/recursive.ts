/**
 * Raises the rate of a method while a measure of the model stays within its limit, and keeps the last such model
 * (Belhaouari and Kraidia, Scientific Reports 15:10171, 2025, algorithm 1). Each rate continues from the trained result of
 * the rate before it.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { findGoal } from "../../schema/goal";
import { type AnyMethod, planBetween } from "../compression/method";
import { restoreMatrices, restoreShape } from "../compression/restoreMatrices";
import { trainingSchema } from "../compression/training";
import type { ModelShape } from "../models/model";
import type { Checkpoint } from "../checkpoints/checkpoint";
import { changeOptions, type ChosenMethod, chooseMethod, defineStrategy, methodSchema } from "./strategy";

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
    from: z
      .enum(["previous", "original"])
      .optional()
      .describe(
        "The model to which a rate is applied: the trained result of the rate before it, as published, or the original one. Default: `previous` where the method can compress its own result to a higher rate of the original size, else `original`, as for `layerdrop`.",
      ),
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
    { method: { svd: {} }, start: 0.3, step: 0.3, stop: "never", from: "original" },
  ],

  // The number of rates depends on measurements: assume the last one.
  plan(before, options) {
    const chosen = chooseMethod(options.method);
    const rates = listRates(options, chosen.method);
    if (options.from === "previous") refuseRestarts(before, chosen, rates);
    const last = setRate(chosen, rates.at(-1)!);
    return planBetween(before, chosen.method.plan(before, last.options).shape, "least");
  },

  async apply(before, options, lab) {
    const chosen = chooseMethod(options.method);
    const rates = listRates(options, chosen.method);
    if (options.from === "previous") refuseRestarts(before.shape, chosen, rates);
    const { metric } = options;
    const up = options.higher_is_better ?? findGoal(metric) === "maximize";
    const start = await lab.evaluate(before, metric);
    const limit = options.threshold ?? (up ? start - options.tolerance : start + options.tolerance);
    const holds = (value: number) => (up ? value >= limit : value <= limit);
    lab.log(
      `${metric} is ${start.toFixed(4)}; ${up ? "at least" : "at most"} ${limit.toFixed(4)} is acceptable.`,
    );
    let best: Checkpoint = before;
    let previous: Checkpoint = before;
    for (const rate of rates) {
      const atRate = setRate(chosen, rate);
      const continued =
        options.from === "original" || previous === before
          ? undefined
          : continueFrom(previous, before.shape, atRate);
      const compressed = await atRate.method.apply(continued ?? before, atRate.options, lab);
      const trained = options.train === undefined ? compressed : await lab.train(compressed, options.train);
      const value = await lab.evaluate(trained, metric);
      const accepted = holds(value);
      const from = continued === undefined ? "original" : "previous";
      lab.trial({ method: chosen.name, rate, from, metric, value, accepted, shape: trained.shape });
      const outcome = accepted ? "accepted" : options.stop === "never" ? "not acceptable" : "reverted";
      lab.log(`${chosen.name} at ${rate} of the ${from} model: ${metric} ${value.toFixed(4)}, ${outcome}.`);
      previous = trained;
      if (accepted) best = trained;
      else if (options.stop === "first_failure") break;
    }
    return { shape: best.shape, tensors: best.tensors };
  },
});

function setRate(chosen: ChosenMethod, rate: number): ChosenMethod {
  const { rate: option } = chosen.method;
  if (option === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `recursive raises the rate of a method, and ${chosen.name} has none: it removes nothing. Apply it in a compress cell of its own before this one.`,
    );
  return changeOptions(chosen, { [option]: rate });
}

/** How a method is applied to the result of a lower rate. */
type Continuation = "as it is" | "restored";

/**
 * A method continues from its result if it gives the counts that it gives from the original. If its result is not that, as
 * with factors of factors, the matrices are restored first; with fewer layers, they cannot be.
 */
function findContinuation(
  previous: ModelShape,
  original: ModelShape,
  { method, options }: ChosenMethod,
): Continuation | undefined {
  const { total } = method.plan(original, options).after;
  const fits = (shape: ModelShape | undefined) => {
    if (shape === undefined) return false;
    try {
      const { after } = method.plan(shape, options);
      return after.total.stored === total.stored && after.total.bits === total.bits;
    } catch (error) {
      if (error instanceof WorkbenchError) return false;
      throw error;
    }
  };
  if (fits(previous)) return "as it is";
  return fits(restoreShape(previous, original)) ? "restored" : undefined;
}

function continueFrom(
  previous: Checkpoint,
  original: ModelShape,
  chosen: ChosenMethod,
): Checkpoint | undefined {
  const continuation = findContinuation(previous.shape, original, chosen);
  if (continuation === undefined) return undefined;
  return continuation === "as it is" ? previous : restoreMatrices(previous, original);
}

/** Throws if a rate cannot be applied to the result of the rate before it. */
function refuseRestarts(shape: ModelShape, chosen: ChosenMethod, rates: readonly number[]): void {
  rates.slice(1).forEach((rate, i) => {
    const previous = chosen.method.plan(shape, setRate(chosen, rates[i]!).options).shape;
    if (findContinuation(previous, shape, setRate(chosen, rate)) === undefined)
      throw new WorkbenchError(
        "unsupported",
        `Recursive compression cannot be applied from the previous model: ${chosen.name} at ${rate} of its result at ${rates[i]!} is not ${rate} of the original size. Set from: original.`,
      );
  });
}

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
