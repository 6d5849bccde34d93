/** The schema of `train.watch`: histograms of a training. */
import * as z from "zod";

export const watchedKinds = ["weights", "gradients", "activations"] as const;
export type WatchedKind = (typeof watchedKinds)[number];

export const watchSchema = z
  .strictObject({
    every: z
      .int()
      .positive()
      .default(50)
      .describe(
        "Steps between two records. The last step is also recorded, and the weights before the first.",
      ),
    what: z
      .array(z.enum(watchedKinds))
      .min(1, "name at least one of weights, gradients and activations")
      .refine((names) => new Set(names).size === names.length, "name each of them only once")
      .default([...watchedKinds])
      .describe(
        "`weights` after the step; `gradients` of the step before clipping; `activations`, the outputs of each layer and of " +
          "each matrix below the head, for the first batch of the step.",
      ),
  })
  .describe(
    "Record how weights, gradients and activations are distributed, for the view *Over steps* of the Weights panel. " +
      "Training is the same, bit for bit, with and without it.",
  );

export type WatchOptions = z.infer<typeof watchSchema>;
