/** Options of the cell `data` for files of rows: how they are written, and which of their rows count. */
import * as z from "zod";

/** How the files are written. */
export const rowFileOptions = {
  format: z
    .enum(["auto", "text", "jsonl", "json", "csv", "tsv", "parquet", "arrow"])
    .default("auto")
    .describe("Format of the files. `auto` derives it from the file name."),
  header: z
    .boolean()
    .default(true)
    .describe("Whether CSV and TSV name their columns in the first record; else they are `1`, `2`, …"),
  encoding: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Text encoding of the files, by its label in the WHATWG Encoding Standard such as `windows-1252` or `shift_jis`. " +
        "Without it a byte-order mark decides, otherwise UTF-8 is expected.",
    ),
  delimiter: z
    .string()
    .length(1)
    .regex(/[^"\r\n]/, { error: "a delimiter is one character other than a quotation mark or a line end" })
    .optional()
    .describe("Character between two fields; without it a comma in CSV and a tab in TSV."),
  quoting: z
    .enum(["auto", "standard", "none"])
    .default("auto")
    .describe(
      'How CSV and TSV quote fields. `standard` reads `"…"` as RFC 4180 does, with `""` for a quotation mark. `none` reads ' +
        "a quotation mark as an ordinary character, as the files of GLUE need. `auto` is `standard` for CSV and `none` for " +
        "TSV, and refuses a TSV field that is quoted as a whole, because both readings are possible.",
    ),
  on_bad_rows: z
    .enum(["error", "skip"])
    .default("error")
    .describe(
      "What to do with a malformed row (a misplaced quotation mark, too few or too many fields, broken JSON): stop with " +
        "an error that names the line, or skip the row and report how many were skipped.",
    ),
};

/** Which columns hold the text. */
export const columnOptions = {
  text_column: z.string().default("text").describe("Column or key that holds the text of a row."),
  instruction_column: z
    .string()
    .optional()
    .describe("Column of the instruction; makes rows instruction pairs."),
  input_column: z.string().optional().describe("Column of an optional input to the instruction."),
  response_column: z.string().optional().describe("Column of the response of an instruction pair."),
  conversation_column: z
    .string()
    .optional()
    .describe(
      "Column of conversations: lists of messages with `role` and `content` (OpenAI) or `from` and `value` (ShareGPT), " +
        "written by the tokenizer's chat template. The loss counts the assistant's answers, with `train_on_inputs: true` " +
        "everything.",
    ),
  prompt_column: z
    .string()
    .optional()
    .describe(
      "Column of the prompt of a preference pair: text, or a list of messages. Without it, the prompt is what both answers " +
        "have in common at their start.",
    ),
  chosen_column: z
    .string()
    .optional()
    .describe(
      "Column of the preferred answer, text or messages; makes rows preference pairs, for `train.preference`.",
    ),
  rejected_column: z.string().optional().describe("Column of the answer that is not preferred."),
  template: z
    .string()
    .optional()
    .describe(
      "Text of a pair; `{instruction}`, `{input}` and `{response}` are filled in, and a paragraph about `{input}` " +
        "alone is left out where a row has none. In a template without `{input}` it follows the instruction.",
    ),
};

/** Which rows count, and how much of them. */
export const rowChoiceOptions = {
  truncate_prompt: z
    .boolean()
    .default(false)
    .describe(
      "Shorten prompts that the loss does not count (`train_on_inputs: false`) from the left, so that prompt and answer " +
        "fit one sequence. Otherwise sequences that a prompt fills are skipped, and their number is reported.",
    ),
  where: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Condition on the columns of a row, such as `label != -1` or `lang == en and score >= 0.5`: comparisons with `==`, " +
        "`!=`, `<`, `<=`, `>`, `>=`, joined by `and`. Other rows are left out and counted. Quote values and columns that " +
        'contain spaces: `"#1 ID" == "x y"`; `null` is a missing value.',
    ),
  no_label: z
    .array(z.string().min(1))
    .max(100)
    .optional()
    .describe(
      "Labels that mean that a row has no gold label, such as `-` in SNLI; `-1` for classes when left out. These rows are " +
        "left out and counted, unless `labels` lists the value as a class.",
    ),
};
