/**
 * `lathe eval MODEL`: loss and perplexity of a text, with the protocol that makes the figure comparable; with `--inference`,
 * what a cache policy costs; or with `--tasks`, those of lm-evaluation-harness.
 */
import type * as z from "zod";
import type { Subject } from "../../backend/evaluation/metric";
import perplexity from "../../backend/evaluation/perplexity";
import { evaluateCache } from "../cacheEvaluation";
import { defineCommand, type Outcome } from "../command";
import { deviceOption, openLab, type OpenLab } from "../evaluationLab";
import { inferenceOption, parseInferenceOption } from "../inferenceOption";
import { validateOptions, collect, parseNumber } from "../optionParsing";
import {
  checkpointOption,
  type LoadedModel,
  loadModel,
  modelArgument,
  openModelTokenizer,
  tokenizerOption,
  readingOptions,
  omitModelOptions,
} from "../modelArgument";
import { evaluateTasks, taskFlags, type TaskFlags } from "../taskEvaluation";
import { openText, type TextOptions } from "../textSource";
import { toPlainText } from "../terminal";

interface Options extends TextOptions, TaskFlags {
  readonly context?: number;
  readonly stride?: number;
  readonly maxTokens?: number;
  readonly lineEndsAsWords?: boolean;
  readonly protocol?: string;
  readonly corpus?: string;
  readonly inference?: readonly string[];
}

export default defineCommand<readonly [string], Options>({
  summary:
    "measure the perplexity of a model on a text, what a cache policy costs there, or its accuracy on tasks",
  arguments: [modelArgument],
  options: [
    [
      "--data <text>",
      "file, glob or named data set; repeatable; default: the data of the model's run",
      collect,
    ],
    tokenizerOption,
    ["--split <name>", "train, validation or test split of a named data set or a run; files are used whole"],
    ["--protocol <name>", "strided (the default), gptq or harness"],
    ["--corpus <name>", "text of the papers instead of --data: wikitext2, ptb or c4"],
    ["--data-dir <folder>", "folder with the rows of the corpus or tasks; default: downloaded from the hub"],
    ["--add-bos", "begin the text with the BOS token"],
    ["--no-add-bos", "do not begin the text with the BOS token; default: what the tokenizer does"],
    ["--context <tokens>", "tokens per window", parseNumber],
    ["--stride <tokens>", "tokens between window starts; default: half the context", parseNumber],
    ["--max-tokens <tokens>", "score only this many tokens", parseNumber],
    ["--batch-size <count>", "windows or texts per batch", parseNumber],
    ["--line-ends-as-words", "count line ends as words, as word-level data sets do"],
    inferenceOption,
    ...taskFlags,
    checkpointOption,
    ...readingOptions,
    deviceOption,
  ],
  async run({ args: [text], options: { inference: settings, ...options }, terminal }) {
    if (settings !== undefined) return evaluateCache(text, options, parseInferenceOption(settings), terminal);
    if (options.tasks !== undefined)
      return evaluateTasks(text, { ...options, tasks: options.tasks }, terminal);
    const { data: _data, device, ...perplexityOptions } = omitModelOptions(options);
    const parsed = validateOptions(perplexity.options, perplexityOptions);
    const model = await loadModel(text, options, terminal);
    perplexity.checkModel?.(model.shape);
    if (parsed.corpus !== undefined) {
      const tokenizer = await openModelTokenizer(model, options);
      await using lab = await openLab({ device }, terminal);
      return await measure(model, { tokenizer }, parsed, lab);
    }
    using source = await openText(model, options, terminal);
    const resolved = validateOptions(perplexity.options, {
      ...perplexityOptions,
      split: perplexityOptions.split ?? source.split,
      context: perplexityOptions.context ?? (parsed.protocol === "strided" ? source.context : undefined),
    });
    await using lab = await openLab({ device }, terminal);
    return await measure(model, { tokenizer: source.set.tokenizer, data: source.data }, resolved, lab);
  },
});

async function measure(
  model: LoadedModel,
  parts: Pick<Subject, "tokenizer" | "data">,
  options: z.output<typeof perplexity.options>,
  lab: OpenLab,
): Promise<Outcome> {
  const { details, lines } = await perplexity.evaluate({ ...model, ...parts }, options, lab);
  return {
    document: { model: model.source, device: lab.engine.device.name, ...details },
    text: lines.map(toPlainText).join("\n"),
  };
}
