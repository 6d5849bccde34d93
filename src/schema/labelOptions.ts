/** Options of data whose rows have labels. */
import * as z from "zod";

export const labelOptions = {
  label_column: z
    .string()
    .optional()
    .describe(
      "Column of the label: a class, or a number to predict. Training adds a head for it to a model without one.",
    ),
  text_pair_column: z.string().optional().describe("Column of a second text, for pairs with one label."),
  pair_separator: z
    .string()
    .optional()
    .describe(
      "Text between the two texts of a pair, which are then one text. When left out, the special tokens of the tokenizer's " +
        "rule for pairs, such as `[SEP]`, or a line end where its texts have no closing token.",
    ),
  labels: z
    .array(z.string().min(1))
    .min(2)
    .optional()
    .describe(
      "The classes as rows write them, in their order; those of the training rows, sorted, when left out.",
    ),
  label_names: z
    .array(z.string().min(1))
    .min(2)
    .optional()
    .describe(
      "Names of `labels` in the same order, for rows that write numbers. A loaded classifier is matched by these names; " +
        "named data sets and Parquet files with a ClassLabel provide them.",
    ),
  problem_type: z
    .enum(["auto", "single_label_classification", "regression"])
    .default("auto")
    .describe(
      "Whether labels are classes or numbers to predict. `auto` takes numbers with decimals as a regression and " +
        "everything else as classes.",
    ),
  drop_duplicates: z
    .boolean()
    .default(false)
    .describe("Leave out rows with a label whose text is that of an earlier row."),
  truncation: z
    .enum(["right", "left", "none"])
    .default("right")
    .describe(
      "Which end of a text with a label, or of a prompt with an answer of a preference pair, is cut where it is longer than " +
        "a sequence; `none` refuses it.",
    ),
};
