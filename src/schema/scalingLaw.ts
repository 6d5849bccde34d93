/** A scaling law over the runs of an experiment, as a part of its report. */
import * as z from "zod";

const quantity = z.string().regex(/^\w+\/\w+$|^(?:tokens|flops)$/, {
  error: "name a count such as parameters/non_embedding, tokens or flops",
});

export const scalingLawSchema = z
  .strictObject({
    size: z
      .union([quantity, z.tuple([quantity, quantity])])
      .default("parameters/non_embedding")
      .describe(
        "What grows: a count of the model (`parameters/non_embedding`, `parameters/total`, `parameters/bits`), the `tokens` of its training or its `flops`; or two of them for a law of both.",
      ),
    metric: z
      .string()
      .regex(/^\w+\/\w+$/, "name a loss by its name in curves, such as eval/loss")
      .default("eval/loss")
      .describe("The loss, by its name in curves: `eval/loss`, `perplexity/loss`."),
    variants: z
      .array(z.string())
      .min(1)
      .optional()
      .describe("Variants whose runs are fitted; all by default."),
    hold_out: z
      .int()
      .min(0)
      .default(1)
      .describe("Number of the largest sizes that are not fitted but predicted, if enough others are left."),
    targets: z
      .array(z.number().positive())
      .optional()
      .describe("Losses for which the report names the size that reaches them, with a law of one size."),
  })
  .describe("Fit the loss along the size of the model or of its training, down to a floor.");
export type ScalingLawOptions = z.output<typeof scalingLawSchema>;
