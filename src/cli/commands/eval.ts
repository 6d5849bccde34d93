/**
 * `lathe eval MODEL`: loss and perplexity of a text, with the protocol that makes the figure comparable; or with `--tasks`,
 * those of lm-evaluation-harness.
 */
import type * as z from "zod";
import { dataSets } from "../../backend/data/datasets/catalog";
import { getDefaultCacheFolder } from "../../backend/data/cacheFolder";
import { type DataSet, openData } from "../../backend/data/dataSet";
import type { EvaluationData, Subject } from "../../backend/evaluation/metric";
import perplexity from "../../backend/evaluation/perplexity";
import { dimensionsOf } from "../../backend/models/model";
import { refuseTokensWithoutRow } from "../../backend/data/tokenizers/vocabularyFit";
import { WorkbenchError } from "../../protocol/errors";
import { dataSchema } from "../../schema/experiment";
import { defineCommand, type Outcome } from "../command";
import { deviceOption, openLab, type OpenLab } from "../evaluationLab";
import { validateOptions, collect, parseNumber } from "../optionParsing";
import {
  checkpointOption,
  type LoadedModel,
  loadModel,
  modelArgument,
  openModelTokenizer,
  type ModelOptions,
  resolveTokenizerName,
  tokenizerOption,
  readingOptions,
  omitModelOptions,
} from "../modelArgument";
import { evaluateTasks, taskFlags, type TaskFlags } from "../taskEvaluation";
import { toPlainText } from "../terminal";

interface Options extends ModelOptions, TaskFlags {
  readonly data?: readonly string[];
  readonly split?: string;
  readonly context?: number;
  readonly stride?: number;
  readonly maxTokens?: number;
  readonly lineEndsAsWords?: boolean;
  readonly protocol?: string;
  readonly corpus?: string;
}

/** Attention takes the square of it; longer contexts are for those who ask for them. */
const defaultMaxContext = 1024;

export default defineCommand<readonly [string], Options>({
  summary: "measure the perplexity of a model on a text, or its accuracy on tasks",
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
    ...taskFlags,
    checkpointOption,
    ...readingOptions,
    deviceOption,
  ],
  async run({ args: [text], options, terminal }) {
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
    using source = await openText(model, options);
    for (const notice of source.set.notices) terminal.log(toPlainText(notice));
    refuseTokensWithoutRow(dimensionsOf(model.shape).vocabulary, (rows) => source.set.findToken(rows));
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

interface TextSource extends Disposable {
  readonly set: DataSet;
  readonly data: EvaluationData;
  readonly split: string;
  /** Undefined where the text comes with a sequence length of its own. */
  readonly context: number | undefined;
}

async function openText(model: LoadedModel, options: Options): Promise<TextSource> {
  const { data: names, split } = options;
  if (names === undefined) {
    if (model.runData === undefined)
      throw new WorkbenchError(
        "invalid-input",
        "There is no text to evaluate on, because the model is not from a run. Name files with --data.",
      );
    const { options: runOptions, baseFolder } = model.runData;
    const set = await openData(runOptions, { baseFolder, cacheFolder: getDefaultCacheFolder() });
    return createTextSource(set, split ?? "validation", undefined);
  }
  using tokenizer = await resolveTokenizerName(model, options);
  const isDataSet = names.length === 1 && Object.hasOwn(dataSets, names[0]!);
  const text = isDataSet ? { dataset: names[0] } : { text: names, val_fraction: 0 };
  // Windows are cut here, whatever a training sequence would be, so that no text is too short for one.
  const dataOptions = dataSchema.parse({ ...text, tokenizer: tokenizer.name, sequence_len: 1 });
  const set = await openData(dataOptions, {
    baseFolder: process.cwd(),
    cacheFolder: getDefaultCacheFolder(),
  });
  const context = Math.min(dimensionsOf(model.shape).context, defaultMaxContext);
  return createTextSource(set, isDataSet ? (split ?? "validation") : "test", context);
}

function createTextSource(set: DataSet, split: string, context: number | undefined): TextSource {
  const { title, train, validation, test } = set;
  // Files that are named for an evaluation are its test text, whole.
  const data = { title, train, validation, test: test ?? (validation === undefined ? train : undefined) };
  return { set, data, split, context, [Symbol.dispose]: () => set[Symbol.dispose]() };
}
