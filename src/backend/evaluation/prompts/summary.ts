/**
 * Writes a summary of the text with a language model (Liu et al., TCRA-LLM: Token Compression Retrieval Augmented Large Language
 * Model for Inference Cost Reduction, EMNLP Findings 2023, arXiv 2310.15556, summarization compression). The paper trains T5 to
 * summarize to several lengths; here a decoder continues a template, greedily.
 */
import * as z from "zod";
import { WorkbenchError } from "../../../protocol/errors";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import { dimensionsOf } from "../../models/model";
import { framePrompt } from "../generatedText";
import { continuePrompts, greedyOptions } from "../generation";
import { promptKeys, readerKey } from "./budget";
import { definePromptPolicy } from "./promptPolicy";

const place = "{text}";

const options = z.strictObject({
  budget: promptKeys.budget.describe(
    "Share of the tokens that the summary may have, rounded to whole tokens; at least one token.",
  ),
  model: readerKey.model.describe(
    "Model that writes the summary, as for `base_model`. By default the model that is measured.",
  ),
  template: z
    .string()
    .refine((template) => template.split(place).length === 2, {
      error: `write ${place} once, where the text to summarize belongs`,
    })
    .default(`${place}\n\nSummary:`)
    .describe(
      `What that model continues: \`${place}\` is the part of the prompt before the question. The summary ends at an end-of-text token or with the budget.`,
    ),
});

export default definePromptPolicy<z.output<typeof options>>({
  title: "A summary that a model writes",
  options,
  samples: [{ budget: 0.5 }],
  write: async (text, tokens, { template }, reader, lab) => {
    const prompt = await framePrompt(
      template.replace(place, () => text),
      reader.tokenizer,
      greedyOptions,
    );
    const { context } = dimensionsOf(reader.shape);
    if (prompt.ids.length + tokens > context)
      throw new WorkbenchError(
        "invalid-input",
        `A text to summarize has ${prompt.ids.length} tokens with its template, and its summary up to ${tokens}, but the context of the model that writes the summary is ${context} tokens. Name a model with a longer context in inference.prompt.summary.model, or shorten the prompts.`,
      );
    const [summary] = await continuePrompts(
      reader,
      [prompt],
      { ...greedyOptions, max_new_tokens: tokens },
      { ...lab, progress: () => undefined },
    );
    return cutToTokens(summary!.text.trim(), tokens, reader.target ?? reader.tokenizer);
  },
});

/** The start of a text that has at most `count` tokens. Part of a text can have more tokens than within it, so it is cut again. */
async function cutToTokens(text: string, count: number, tokenizer: Tokenizer): Promise<string> {
  let cut = text;
  for (let left = count; ; left--) {
    const ids = await tokenizer.encode(cut);
    if (ids.length <= count) return cut;
    // An incomplete character decodes to U+FFFD.
    cut = tokenizer.decode(ids.slice(0, left)).replace(/\uFFFD+$/, "");
  }
}
