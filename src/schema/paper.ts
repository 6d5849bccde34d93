/** The schema of a paper cell: what was published, what the runs are to decide, and curves to draw beside theirs. */
import * as z from "zod";
import { findGoal } from "./goal";

const positiveInt = z.int().positive();

/** What a paper card can compare: counts of the finished model, losses in nats a token, and what follows from them. */
export const quantityNames = [
  "parameters/non_embedding",
  "parameters/total",
  "parameters/non_embedding_percent",
  "parameters/total_percent",
  "parameters/bits",
  "parameters/stored",
  "parameters/removed_percent",
  "train/loss",
  "eval/loss",
  "loss_gap",
  "perplexity",
] as const;

/** The named ones, and every number that a metric records under its own name. */
const quantitySchema = z.string().superRefine((quantity, context) => {
  const isNamed = (quantityNames as readonly string[]).includes(quantity);
  // What a run itself records has the names above; any other beginning is a metric's.
  if (isNamed || /^(?!(train|eval|parameters)\/)[a-z]\w*\/\w+$/.test(quantity)) return;
  context.addIssue({ code: "invalid_value", values: [...quantityNames], input: quantity });
});

const variantName = z.string().min(1);
const tolerance = z.number().min(0).default(0);

const publishedSchema = z.strictObject({
  quantity: quantitySchema.describe(
    "The published quantity. `…_percent` is relative to the baseline, `loss_gap` is validation loss minus training loss, `parameters/bits` counts stored bits, `parameters/stored` and `parameters/removed_percent` count the parameters that `roles` names. Or a number of a metric, such as `classification/accuracy`.",
  ),
  roles: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .optional()
    .describe(
      "Addresses to count, such as `layers.*.self_attn.q_proj`, or `layers.*.mlp.*` with its biases. Defaults to the whole model.",
    ),
  value: z.number().describe("The published number, or the exact one if it follows from the sizes."),
  printed: z.string().optional().describe("The number as printed, such as 35M."),
  tolerance: tolerance.describe("Largest difference that still counts as reproduced."),
  variant: variantName.optional().describe("The variant that the number belongs to."),
  source: z
    .string()
    .min(1)
    .optional()
    .describe("Where the number is published: a table, a section, a notebook."),
  note: z.string().optional().describe("A remark on the number."),
});

/** What a control equalizes. */
export const premiseNames = ["flops", "steps", "tokens", "bits", "parameters"] as const;
export type Premise = (typeof premiseNames)[number];

/** What has to be equal for a comparison to have a meaning. */
const premises = {
  equal: z
    .union([z.enum(premiseNames), z.array(z.enum(premiseNames))])
    .default([])
    .describe(
      'What has to be equal in the compared runs: training `flops`, `steps` or `tokens`, stored `bits`, or non-embedding `parameters`. Where it is not, the card answers "not comparable" with both numbers.',
    ),
  equal_within: z
    .number()
    .min(0)
    .default(0.01)
    .describe("Largest difference that still counts as equal, as a share of the smaller number."),
};

/** Which way a quantity is better, and how much it has to be. */
const direction = {
  higher_is_better: z
    .boolean()
    .optional()
    .describe("Whether more of the quantity is better; when left out, as its metric declares it."),
  tolerance: tolerance.describe("Largest difference that still counts as equal."),
};

/** A quantity of which nobody has declared which way it is better cannot be judged. */
function requireDirection(
  { quantity, higher_is_better }: { quantity: string; higher_is_better?: boolean | undefined },
  context: z.RefinementCtx,
): void {
  if (higher_is_better !== undefined || findGoal(quantity) !== undefined) return;
  context.addIssue({
    code: "custom",
    path: ["higher_is_better"],
    message: `is required: ${quantity} does not declare which way it is better. Set it to true or false.`,
    input: higher_is_better,
  });
}

const questionSchema = z
  .strictObject({
    question: z
      .string()
      .min(1)
      .describe(
        "Asked so that yes means: `variant` is at most as high as `against`, or at least where more of the quantity is better.",
      ),
    variant: variantName.describe(
      "The variant to compare, or a point of a sweep as named in the card's table.",
    ),
    against: variantName.describe("The variant to compare it with."),
    quantity: quantitySchema.default("eval/loss").describe("The quantity to compare."),
    ...direction,
    ...premises,
  })
  .superRefine(requireDirection);

const rateSchema = z
  .strictObject({
    quantity: quantitySchema.describe("The quantity to compare."),
    ...direction,
    ...premises,
  })
  .superRefine(requireDirection);

const controlSchema = z
  .strictObject({
    variant: variantName.describe("The variant with smaller dense models, at several points of a sweep."),
    quantity: quantitySchema.default("eval/loss").describe("The quantity to compare."),
    ...direction,
    ...premises,
  })
  .superRefine(requireDirection);

/** A page gets every point of every curve with each run, so there are few. */
export const maxReferencePoints = 500;

const seriesSchema = z.strictObject({
  name: z.string().min(1).max(80).describe("Name of the line in charts."),
  metric: z.enum(["eval/loss", "train/loss"]).default("eval/loss").describe("The curve to show it with."),
  first_step: z.int().min(0).describe("Optimizer step of the first value."),
  step_interval: positiveInt.describe("Optimizer steps from one value to the next."),
  tokens_per_step: positiveInt.describe("Tokens of one step, for charts over tokens."),
  values: z.array(z.number()).min(1).max(maxReferencePoints).describe("The published values in order."),
  source: z.string().min(1).optional().describe("Where the values are published."),
});

export const paperSchema = z
  .strictObject({
    title: z.string().min(1).describe("Title of the publication."),
    authors: z.array(z.string().min(1)).optional().describe("Names as printed."),
    year: z.int().min(1900).max(2100).optional().describe("Year of publication."),
    url: z.url().optional().describe("Where to read it."),
    scale: z
      .string()
      .min(1)
      .optional()
      .describe("The scale that the numbers were published at; at others only per cents are compared."),
    tokens: positiveInt
      .optional()
      .describe("Tokens that the published models were trained on; losses after fewer are not compared."),
    baseline: variantName.optional().describe("The variant that per cents are taken of."),
    published: z.array(publishedSchema).default([]).describe("The numbers to compare with."),
    questions: z
      .array(questionSchema)
      .default([])
      .describe("Questions for the runs to answer, each from the seeds that two variants share."),
    rates: z
      .array(rateSchema)
      .max(4)
      .default([])
      .describe(
        "Quantities that compare every point of a swept rate with the baseline: where a method is better, and where it breaks.",
      ),
    controls: z
      .array(controlSchema)
      .max(4)
      .default([])
      .describe(
        "Smaller dense models to compare every other model with at an equal number of stored bits, to see whether its method is worthwhile.",
      ),
    metrics: z
      .array(z.string().min(1))
      .max(8)
      .default([])
      .describe("Metrics that the table of the models shows in addition to the losses."),
    series: z
      .array(seriesSchema)
      .max(8)
      .default([])
      .describe("Published curves, drawn with those of the runs."),
  })
  .describe("The publication that an experiment reproduces.");

export type Paper = z.infer<typeof paperSchema>;
/** A name of `quantityNames`, or of a metric's number. */
export type Quantity = string;
