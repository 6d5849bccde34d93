/** From the options of a data cell to its documents: files by pattern, a named data set, or the grammar. */
import { closest } from "fastest-levenshtein";
import type { DataOptions } from "../../schema/experiment";
import { grammarSchema } from "../../schema/experiment";
import { WorkbenchError } from "../../protocol/errors";
import { dataSets } from "./datasets/catalog";
import { countIgnored, findFiles, throwIfCancelled } from "./files";
import { MarkovSource } from "./grammar";
import { generateDocuments, refuseImpossiblePasskeys } from "./passkeys";
import { trainsOnInputs } from "./rowDocuments";
import { locateHubFiles } from "./hubDataSet";
import type { ListedDataSet, NamedDataSet } from "./namedDataSet";
import { locateFile } from "./namedFile";
import { openFileSource, computeHash, formatNames, type Source, type SourceContext } from "./source";

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
  const sources = (["text", "dataset", "grammar", "passkeys"] as const).filter(
    (key) => options[key] !== undefined,
  );
  const [kind] = sources;
  // A grammar next to `text` configures the fallback.
  const configuresFallback = options.fallback === "grammar" && sources.join() === "text,grammar";
  if (kind === undefined || (sources.length > 1 && !configuresFallback))
    throw new WorkbenchError(
      "invalid-input",
      kind === undefined
        ? "data has no source. Set one of data.text, data.dataset, data.grammar, data.passkeys."
        : `data has ${sources.map((key) => `data.${key}`).join(" and ")}. Keep one of them.`,
      { allowed: ["text", "dataset", "grammar", "passkeys"] },
    );
  if (kind === "grammar") return createGrammarOrigin(options, context, []);
  if (kind === "passkeys") return createPasskeyOrigin(options, context);
  if (kind === "dataset") return openNamedOrigin(options.dataset!, options, context);

  const patterns = toList(options.text);
  const files = await findFiles(patterns, context.baseFolder, options.format);
  if (files.length === 0) {
    const ignored = await countIgnored(patterns, context.baseFolder);
    const nothing =
      `No file matches ${quotePatterns(patterns)} in ${context.baseFolder}` +
      (ignored === 0
        ? ""
        : `, except ${ignored === 1 ? "1 file" : `${ignored} files`} that git ignores. Name the files or their folder to read them`);
    if (options.fallback === "grammar")
      return createGrammarOrigin(options, context, [`${nothing}; text of the grammar is read instead.`]);
    throw new WorkbenchError(
      "not-found",
      `${nothing}. Patterns are relative to the experiment; ` +
        "folders named node_modules are read only when the pattern names them.",
    );
  }
  return {
    title: patterns.join(", "),
    train: await openFileSource(formatNames(files), files, options, context),
    ...(await openSplitFiles(options, context)),
    grammar: undefined,
    notices: [],
    options,
  };
}

/** Validation and test files that the options name themselves. */
async function openSplitFiles(
  options: DataOptions,
  context: OriginContext,
): Promise<{ validation: Source | undefined; test: Source | undefined }> {
  const read = async (key: "validation_text" | "test_text"): Promise<Source | undefined> => {
    if (options[key] === undefined) return undefined;
    const patterns = toList(options[key]);
    const files = await findFiles(patterns, context.baseFolder, options.format);
    if (files.length === 0)
      throw new WorkbenchError(
        "not-found",
        `No file matches data.${key} ${quotePatterns(patterns)} in ${context.baseFolder}. ` +
          "Patterns are relative to the experiment.",
      );
    return openFileSource(formatNames(files), files, options, context);
  };
  return { validation: await read("validation_text"), test: await read("test_text") };
}

async function openNamedOrigin(id: string, options: DataOptions, context: OriginContext): Promise<Origin> {
  const allowed = Object.keys(dataSets);
  const entry = Object.hasOwn(dataSets, id) ? dataSets[id] : undefined;
  if (entry === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `There is no data set "${id}"; did you mean "${closest(id, allowed)}"? Named ones are ${allowed.join(", ")}. ` +
        "Files of your own are read with data.text.",
      { allowed, nearest: closest(id, allowed) },
    );
  const reading = applyColumnDefaults(options, entry);
  const splitFiles = await openSplitFiles(reading, context);
  if ("hub" in entry) {
    const source = async (split: string): Promise<Source> => {
      const paths = await locateHubFiles(id, entry, context, process.env, split);
      const files = await findFiles(paths, context.baseFolder, "parquet");
      return openFileSource(`${entry.title}, ${formatNames(files)}`, files, reading, context);
    };
    const { split, validation, test } = entry.hub;
    return {
      title: id,
      train: await source(split),
      validation: splitFiles.validation ?? (validation === undefined ? undefined : await source(validation)),
      test: splitFiles.test ?? (test === undefined ? undefined : await source(test)),
      grammar: undefined,
      notices: [],
      options: reading,
    };
  }
  const read = async (split: "train" | "validation" | "test"): Promise<Source | undefined> =>
    entry[split] && openNamedSource(id, entry, entry[split], reading, context);
  return {
    title: id,
    train: (await read("train"))!,
    validation: splitFiles.validation ?? (await read("validation")),
    test: splitFiles.test ?? (await read("test")),
    grammar: undefined,
    notices: [],
    options: reading,
  };
}

/** A data set knows its columns, which a cell may still name itself. */
function applyColumnDefaults(options: DataOptions, { columns }: NamedDataSet): DataOptions {
  const setsColumns =
    options.instruction_column !== undefined ||
    options.response_column !== undefined ||
    options.label_column !== undefined;
  if (columns === undefined || setsColumns) return options;
  const label_names = options.label_names ?? columns.label_names;
  return { ...options, ...columns, ...(label_names && { label_names }) };
}

async function openNamedSource(
  id: string,
  entry: ListedDataSet,
  namedFile: NonNullable<ListedDataSet["test"]>,
  options: DataOptions,
  context: OriginContext,
): Promise<Source> {
  const file = await locateFile(
    { what: `the data set "${id}" (${entry.licence})`, folder: entry.folder, cache: "datasets" },
    namedFile,
    context,
  );
  const files = await findFiles([file], context.baseFolder, options.format);
  return openFileSource(`${entry.title}, ${namedFile.name}`, files, options, context);
}

async function createGrammarOrigin(
  options: DataOptions,
  context: OriginContext,
  notices: readonly string[],
): Promise<Origin> {
  const grammar = new MarkovSource(options.grammar ?? grammarSchema.parse({}));
  const length = Math.min(grammar.options.length, options.max_bytes ?? Infinity);
  return {
    title: "grammar",
    train: createGrammarSource(grammar, length),
    ...(await openSplitFiles(options, context)),
    grammar,
    notices,
    options,
  };
}

function createGrammarSource(grammar: MarkovSource, length: number): Source {
  return {
    title: "grammar",
    // Raise the number when the same options would give another text.
    key: computeHash(["grammar 1", grammar.options, length]),
    bytes: length,
    async *fragments(context) {
      for (const text of grammar.generate(length)) {
        throwIfCancelled(context.signal);
        yield { text, end: false };
        context.report(text.length);
      }
    },
    assertUnchanged: async () => undefined,
  };
}

async function createPasskeyOrigin(options: DataOptions, context: OriginContext): Promise<Origin> {
  refuseImpossiblePasskeys(options);
  const passkeys = options.passkeys!;
  const documents = Math.min(
    passkeys.documents,
    Math.floor((options.max_bytes ?? Infinity) / passkeys.length),
  );
  const counted = !trainsOnInputs(options);
  return {
    title: "passkeys",
    train: {
      title: "passkeys",
      // Raise the number when the same options would give other documents.
      key: computeHash(["passkeys 2", passkeys, documents, counted]),
      bytes: documents * passkeys.length,
      async *fragments(reading) {
        for (const { text, answers } of generateDocuments({ ...passkeys, documents })) {
          throwIfCancelled(reading.signal);
          yield { text, ...(counted ? { answers } : {}), end: true };
          reading.report(text.length);
        }
      },
      assertUnchanged: async () => undefined,
    },
    ...(await openSplitFiles(options, context)),
    grammar: undefined,
    notices: [],
    options,
  };
}

function toList(value: string | readonly string[] | undefined): readonly string[] {
  return typeof value === "string" ? [value] : (value ?? []);
}

function quotePatterns(patterns: readonly string[]): string {
  return patterns.map((pattern) => JSON.stringify(pattern)).join(", ");
}
