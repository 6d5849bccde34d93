/** The options that all prompt policies have. */
import * as z from "zod";

export const promptKeys = {
  budget: z
    .number()
    .gt(0)
    .max(1)
    .default(0.5)
    .describe("Share of the words to keep, rounded to whole words; at least one word."),
};

/** The key of policies that a model scores. */
export const readerKey = {
  model: z
    .string()
    .min(1)
    .optional()
    .describe("Model that scores the words, as for `base_model`. By default the model that is measured."),
};
