/** From the options of a data cell to its documents: files by pattern, a named data set, or the grammar. */
import { closest } from "fastest-levenshtein";
import type { DataOptions } from "../../schema/experiment";
import { grammarSchema } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import { dataSets } from "./datasets/catalog";
import { findFiles, throwIfCancelled } from "./files";
import { MarkovSource } from "./grammar";
import { locateHubFiles } from "./hubDataSet";
import { type ListedDataSet, locateFile, type NamedDataSet } from "./namedDataSet";
import { fileSource, hashOf, namesOf, type Source, type SourceContext } from "./source";

export interface Origin {
  /** The name of the data that is read: a named data set, patterns of files, or `grammar`, also as the fallback. */
  readonly title: string;
  readonly train: Source;
  readonly validation: Source | undefined;
  readonly test: Source | undefined;
  readonly grammar: MarkovSource | undefined;
  readonly notices: readonly string[];
  /** Those that were given, with the columns that a named data set knows. */
  readonly options: DataOptions;
}

export interface OriginContext extends SourceContext {
  readonly baseFolder: string;
  readonly cacheFolder: string;
  readonly dataFolder: string | undefined;
}

export async function openOrigin(options: DataOptions, context: OriginContext): Promise<Origin> {
  const given = (["text", "dataset", "grammar"] as const).filter((key) => options[key] !== undefined);
  const [kind] = given;
  // A grammar next to `text` configures the fallback.
  const configuresFallback = options.fallback === "grammar" && given.join() === "text,grammar";
  if (kind === undefined || (given.length > 1 && !configuresFallback))
    throw new WorkbenchError(
      "invalid-input",
      kind === undefined
        ? "data has no source. Set one of data.text, data.dataset, data.grammar."
        : `data has ${given.map((key) => `data.${key}`).join(" and ")}. Keep one of them.`,
      { allowed: ["text", "dataset", "grammar"] },
    );
  if (kind === "grammar") return grammarOrigin(options, context, []);
  if (kind === "dataset") return namedOrigin(options.dataset!, options, context);

  const patterns = listOf(options.text);
  const files = await findFiles(patterns, context.baseFolder, options.format);
  if (files.length === 0) {
    const nothing = `No file matches ${quoted(patterns)} in ${context.baseFolder}`;
    if (options.fallback === "grammar")
      return grammarOrigin(options, context, [`${nothing}; text of the grammar is read instead.`]);
    throw new WorkbenchError(
      "not-found",
      `${nothing}. Patterns are relative to the experiment; ` +
        "folders named node_modules are read only when the pattern names them.",
    );
  }
  return {
    title: patterns.join(", "),
    train: await fileSource(namesOf(files), files, options, context),
    ...(await ownSplits(options, context)),
    grammar: undefined,
    notices: [],
    options,
  };
}

/** Validation and test files that the options name themselves. */
async function ownSplits(
  options: DataOptions,
  context: OriginContext,
): Promise<{ validation: Source | undefined; test: Source | undefined }> {
  const read = async (key: "validation_text" | "test_text"): Promise<Source | undefined> => {
    if (options[key] === undefined) return undefined;
    const patterns = listOf(options[key]);
    const files = await findFiles(patterns, context.baseFolder, options.format);
    if (files.length === 0)
      throw new WorkbenchError(
        "not-found",
        `No file matches data.${key} ${quoted(patterns)} in ${context.baseFolder}. ` +
          "Patterns are relative to the experiment.",
      );
    return fileSource(namesOf(files), files, options, context);
  };
  return { validation: await read("validation_text"), test: await read("test_text") };
}

async function namedOrigin(id: string, options: DataOptions, context: OriginContext): Promise<Origin> {
  const allowed = Object.keys(dataSets);
  const entry = Object.hasOwn(dataSets, id) ? dataSets[id] : undefined;
  if (entry === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `There is no data set "${id}"; did you mean "${closest(id, allowed)}"? Named ones are ${allowed.join(", ")}. ` +
        "Files of your own are read with data.text.",
      { allowed, nearest: closest(id, allowed) },
    );
  const reading = withColumns(options, entry);
  const own = await ownSplits(reading, context);
  if ("hub" in entry) {
    const source = async (split: string): Promise<Source> => {
      const paths = await locateHubFiles(id, entry, context, process.env, split);
      const files = await findFiles(paths, context.baseFolder, "parquet");
      return fileSource(`${entry.title}, ${namesOf(files)}`, files, reading, context);
    };
    const { split, validation, test } = entry.hub;
    return {
      title: id,
      train: await source(split),
      validation: own.validation ?? (validation === undefined ? undefined : await source(validation)),
      test: own.test ?? (test === undefined ? undefined : await source(test)),
      grammar: undefined,
      notices: [],
      options: reading,
    };
  }
  const read = async (split: "train" | "validation" | "test"): Promise<Source | undefined> =>
    entry[split] && namedSource(id, entry, entry[split], reading, context);
  return {
    title: id,
    train: (await read("train"))!,
    validation: own.validation ?? (await read("validation")),
    test: own.test ?? (await read("test")),
    grammar: undefined,
    notices: [],
    options: reading,
  };
}

/** A data set knows its columns, which a cell may still name itself. */
function withColumns(options: DataOptions, { columns }: NamedDataSet): DataOptions {
  const says =
    options.instruction_column !== undefined ||
    options.response_column !== undefined ||
    options.label_column !== undefined;
  if (columns === undefined || says) return options;
  const label_names = options.label_names ?? columns.label_names;
  return { ...options, ...columns, ...(label_names && { label_names }) };
}

async function namedSource(
  id: string,
  entry: ListedDataSet,
  wanted: NonNullable<ListedDataSet["test"]>,
  options: DataOptions,
  context: OriginContext,
): Promise<Source> {
  const file = await locateFile(id, entry, wanted, context);
  const files = await findFiles([file], context.baseFolder, options.format);
  return fileSource(`${entry.title}, ${wanted.name}`, files, options, context);
}

async function grammarOrigin(
  options: DataOptions,
  context: OriginContext,
  notices: readonly string[],
): Promise<Origin> {
  const grammar = new MarkovSource(options.grammar ?? grammarSchema.parse({}));
  const length = Math.min(grammar.options.length, options.max_bytes ?? Infinity);
  return {
    title: "grammar",
    train: grammarSource(grammar, length),
    ...(await ownSplits(options, context)),
    grammar,
    notices,
    options,
  };
}

function grammarSource(grammar: MarkovSource, length: number): Source {
  return {
    title: "grammar",
    // Raise the number when the same options would give another text.
    key: hashOf(["grammar 1", grammar.options, length]),
    bytes: length,
    async *fragments(context) {
      for (const text of grammar.text(length)) {
        throwIfCancelled(context.signal);
        yield { text, end: false };
        context.report(text.length);
      }
    },
    assertUnchanged: async () => undefined,
  };
}

function listOf(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === "string" ? [value] : (value ?? []);
}

function quoted(patterns: readonly string[]): string {
  return patterns.map((pattern) => JSON.stringify(pattern)).join(", ");
}
