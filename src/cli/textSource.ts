/** The text that an evaluation reads: files, a named data set, or the data of the model's run. */
import { getDefaultCacheFolder } from "../backend/data/cacheFolder";
import { dataSets } from "../backend/data/datasets/catalog";
import { type DataSet, openData } from "../backend/data/dataSet";
import { refuseTokensWithoutRow } from "../backend/data/tokenizers/vocabularyFit";
import type { EvaluationData } from "../backend/evaluation/metric";
import { dimensionsOf } from "../backend/models/model";
import { WorkbenchError } from "../protocol/errors";
import { dataSchema } from "../schema/experiment";
import { type LoadedModel, type ModelOptions, resolveTokenizerName } from "./modelArgument";
import { type Terminal, toPlainText } from "./terminal";

export interface TextOptions extends ModelOptions {
  readonly data?: readonly string[];
  readonly split?: string;
}

export interface TextSource extends Disposable {
  readonly set: DataSet;
  readonly data: EvaluationData;
  readonly split: string;
  /** Undefined where the text comes with a sequence length of its own. */
  readonly context: number | undefined;
}

/** Attention takes the square of it; longer contexts are for those who ask for them. */
const defaultMaxContext = 1024;

/** Shows the notices of the data, and refuses tokens that the model does not have. */
export async function openText(
  model: LoadedModel,
  options: TextOptions,
  terminal: Terminal,
): Promise<TextSource> {
  const source = await openSource(model, options);
  for (const notice of source.set.notices) terminal.log(toPlainText(notice));
  try {
    refuseTokensWithoutRow(dimensionsOf(model.shape).vocabulary, (rows) => source.set.findToken(rows));
  } catch (thrown) {
    source[Symbol.dispose]();
    throw thrown;
  }
  return source;
}

async function openSource(model: LoadedModel, options: TextOptions): Promise<TextSource> {
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
