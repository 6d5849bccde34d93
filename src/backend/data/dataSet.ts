/** Opens the data of an experiment: tokenized, cached, split and ready for sampling. */
import path from "node:path";
import type { DataOptions } from "../../schema/experiment";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";
import { throwIfCancelled } from "./files";
import { isLabeled, labelData, type LabeledSummary } from "./labeledData";
import type { Labels } from "./labels";
import { openOrigin, type Origin } from "./origin";
import type { Layout } from "./packing";
import { hasHeldOutData, type Partition, partition } from "./partition";
import { hasPairs } from "./preferencePairs";
import type { RowCounts } from "./rowScreen";
import { computeHash, type Source, type SourceContext } from "./source";
import { Split, type SplitSummary } from "./split";
import type { PairCounts, TokenFile } from "./tokenFile";
import { getPairFrame } from "./entries";
import { NotCachedError, openTokens } from "./tokenize";
import { CharacterSet, createCharactersTokenizer } from "./tokenizers/characters";
import type { PlacedToken } from "./tokenizers/vocabularyFit";
import { openTokenizer } from "./tokenizers/openTokenizer";
import { getDocumentFrame, findMaskToken, type Tokenizer } from "./tokenizers/tokenizer";

export interface OpenDataContext {
  /** Folder of the experiment file; patterns and paths are relative to it. */
  readonly baseFolder: string;
  /** `getDefaultCacheFolder()` unless configured. */
  readonly cacheFolder: string;
  /** Where named data sets are looked for first; the environment's `LATHE_DATA` unless given. */
  readonly dataFolder?: string;
  readonly signal?: AbortSignal;
  /** Make no tokens: where they are not in the cache, there is no data set. */
  readonly onlyKept?: boolean;
  /** Units are bytes; called at most a few times a megabyte. */
  progress?(done: number, total: number, what: string): void;
}

export interface DataSet extends Disposable {
  /** The name of the data that was read, for results. */
  readonly title: string;
  readonly tokenizer: Tokenizer;
  /** Changes with the text, the tokenizer and every option that decides which sequences are drawn. */
  readonly hash: string;
  /** Lines that a reader must not miss. */
  readonly notices: readonly string[];
  readonly train: Split;
  readonly validation: Split | undefined;
  readonly test: Split | undefined;
  /** Nats a token below which no model of the grammar's text can come in the long run. */
  readonly floor: number | undefined;
  /** Where rows have labels. The labels of a split are places in this list until `matchToModel` makes them a model's. */
  readonly labels: Labels | undefined;
  /** Whether rows are preference pairs: documents are then prompts with chosen answers, and `PairSplit` has both answers. */
  readonly isPaired: boolean;
  readonly summary: DataSummary;
  /** The first token of any split whose id is at least `least`, with its place. */
  findToken(least: number): PlacedToken | undefined;
}

export interface DataSummary {
  readonly train: SplitSummary;
  readonly validation?: SplitSummary;
  readonly test?: SplitSummary;
  /** Present if rows are preference pairs; tokens are then those of prompts with chosen answers. */
  readonly isPaired?: boolean;
  /** Of rows with labels. */
  readonly classification?: LabeledSummary;
  /** Rows of the training files that held text, and how many were left after each text that none may contain. */
  readonly rows?: {
    readonly read: number;
    readonly filters: readonly { readonly text: string; readonly left: number }[];
  };
}

export async function openData(
  options: DataOptions,
  context: OpenDataContext & { readonly onlyKept?: false },
): Promise<DataSet>;
export async function openData(options: DataOptions, context: OpenDataContext): Promise<DataSet | undefined>;
export async function openData(options: DataOptions, context: OpenDataContext): Promise<DataSet | undefined> {
  const files: OpenTokens[] = [];
  try {
    return await openDataSet(options, context, files);
  } catch (thrown) {
    for (const { file } of files) file[Symbol.dispose]();
    if (thrown instanceof NotCachedError) return undefined;
    throw toWorkbenchError(thrown);
  }
}

async function openDataSet(
  dataOptions: DataOptions,
  context: OpenDataContext,
  files: OpenTokens[],
): Promise<DataSet> {
  const { signal, baseFolder, cacheFolder } = context;
  const sourceContext: SourceContext = {
    signal,
    temporaryFolder: path.join(cacheFolder, "tokens"),
    progress: (done, total, what) => context.progress?.(done, total, what),
  };
  const dataFolder = context.dataFolder ?? process.env["LATHE_DATA"];
  const rawOrigin = await openOrigin(dataOptions, { ...sourceContext, baseFolder, cacheFolder, dataFolder });
  const { options } = rawOrigin;
  const classes = isLabeled(options)
    ? await labelData(rawOrigin, options, { signal, report: () => undefined })
    : undefined;
  const origin = classes?.origin ?? rawOrigin;
  const tokenizer = await openTokenizerFor(options.tokenizer, origin, context);
  const notices = [...origin.notices, ...tokenizer.notices, ...(classes?.notices ?? [])];
  const isPaired = hasPairs(options);
  const isCut = isPaired || classes !== undefined;
  const truncation = isCut ? { length: options.sequence_len, from: options.truncation } : undefined;
  const read = async (source: Source): Promise<TokenFile> => {
    const tokens = await openTokens(source, tokenizer, cacheFolder, sourceContext, {
      ...(context.onlyKept === undefined ? {} : { onlyKept: context.onlyKept }),
      truncation,
      ...(options.truncate_prompt ? { maxPairTokens: options.sequence_len + 1 } : {}),
      labels: classes?.labels.values.length ?? 0,
    });
    files.push({ source, file: tokens.file });
    const { rows, pairs, tokens: count } = tokens.file.manifest;
    const lost = [...createRowNotices(rows, source.title), ...createPairNotices(pairs, source.title)];
    notices.push(...tokens.notices, ...lost);
    if (count === 0)
      throw new WorkbenchError(
        "invalid-input",
        `There is no text in ${source.title}. ${[...lost, "Name files that hold some."].join(" ")}`,
      );
    return tokens.file;
  };

  const file = await read(origin.train);
  const { rows } = file.manifest;
  const parts: Partition =
    origin.validation === undefined && classes === undefined
      ? partition(file, options, options.split_seed)
      : { train: selectAllPieces(file), validation: [], notice: undefined };
  if (parts.notice !== undefined) notices.push(parts.notice);
  const side = isPaired ? "chosen" : undefined;
  const isPair =
    classes !== undefined && options.text_pair_column !== undefined && options.pair_separator === undefined;
  const layout: Layout = {
    sequenceLength: options.sequence_len,
    packing: options.packing && !isCut,
    documentMask: options.document_mask && !isPaired,
    padding: tokenizer.endOfText ?? 0,
    trainOnPadding: options.train_on_padding,
    // A token that both opens and ends documents occurs once between two documents.
    opening: tokenizer.bos === undefined || tokenizer.bos === tokenizer.endOfText ? 0 : 1,
    // A tokenizer with a mask token is an encoder's.
    ...(!options.packing && !isCut && findMaskToken(tokenizer) !== undefined ? { readsLast: true } : {}),
    ...(isPair && getPairFrame(tokenizer)?.secondType === 1 ? { types: true } : {}),
    ...(options.packing && !isCut && options.packing_strategy === "characters"
      ? { characters: Math.ceil(options.sequence_len * options.characters_per_token) }
      : {}),
  };
  const whole = async (source: Source | undefined): Promise<Split | undefined> => {
    if (source === undefined) return undefined;
    const tokens = await read(source);
    return new Split(tokens, selectAllPieces(tokens), layout, undefined, side);
  };
  const train = new Split(file, parts.train, layout, undefined, side);
  const validation =
    origin.validation === undefined && classes === undefined && hasHeldOutData(options)
      ? new Split(file, parts.validation, layout, undefined, side)
      : await whole(origin.validation);
  const test = await whole(origin.test);
  assertFits(train, "training", origin.train, file.manifest.tokens, options);
  if (validation !== undefined)
    assertFits(validation, "validation", origin.validation ?? origin.train, file.manifest.tokens, options);
  if (test !== undefined) assertFits(test, "test", origin.test!, test.tokens, options);
  for (const [name, split] of Object.entries({ training: train, validation, test }))
    if (split !== undefined && split.withoutLabel > 0)
      notices.push(
        `${split.withoutLabel} of ${split.withoutLabel + split.sequences} ${name} sequences have no label that counts, because a prompt fills them, and are skipped. ` +
          suggestLabelColumn(options),
      );
  if (train.tooLong > 0)
    notices.push(
      `${train.tooLong} of ${train.documents} documents to train on are left out of packing by characters: each has ` +
        `at least the ${layout.characters!} characters of a sequence.`,
    );

  return {
    title: origin.title,
    tokenizer,
    hash: computeHash([
      [origin.train.key, origin.validation?.key, origin.test?.key],
      tokenizer.hash,
      layout,
      origin.validation === undefined ? [options.val_set_size, options.val_fraction, options.split_seed] : [],
    ]),
    notices: [...new Set(notices)],
    train,
    validation,
    test,
    floor: computeLossFloor(origin, file, tokenizer),
    labels: classes?.labels,
    isPaired,
    summary: {
      train: train.summary,
      ...(validation === undefined ? {} : { validation: validation.summary }),
      ...(test === undefined ? {} : { test: test.summary }),
      ...(isPaired ? { isPaired } : {}),
      ...(classes === undefined ? {} : { classification: classes.summary }),
      ...(rows === undefined || options.drop_rows_containing.length === 0
        ? {}
        : {
            rows: {
              read: rows.read,
              filters: options.drop_rows_containing.map((text, i) => ({ text, left: rows.left[i]! })),
            },
          }),
    },
    [Symbol.dispose]() {
      for (const { file: opened } of files) opened[Symbol.dispose]();
    },
    findToken: (least) => findToken(files, tokenizer, layout, least),
  };
}

async function openTokenizerFor(
  name: string | undefined,
  origin: Origin,
  context: OpenDataContext,
): Promise<Tokenizer> {
  if (name !== "characters") return openTokenizer(name, context.baseFolder);
  const characters = new CharacterSet();
  let documents = 0;
  for (const source of [origin.train, origin.validation, origin.test]) {
    if (source === undefined) continue;
    let read = 0;
    const report = (bytes: number): void =>
      context.progress?.(Math.min((read += bytes), source.bytes), source.bytes, "collecting characters");
    for await (const fragment of source.fragments({ signal: context.signal, report })) {
      throwIfCancelled(context.signal);
      characters.add(fragment.prompt ?? "");
      characters.add(fragment.text);
      if (fragment.end && source === origin.train) documents++;
    }
  }
  return createCharactersTokenizer(characters.sorted(), documents > 1);
}

/** What a reader of the results has to know of rows that were left out. */
function createRowNotices(rows: RowCounts | undefined, title: string): string[] {
  const { malformed = 0, excluded = 0 } = rows ?? {};
  return [
    ...(malformed > 0
      ? [`Skipped ${formatCount(malformed, "malformed row")} of ${title} (data.on_bad_rows).`]
      : []),
    ...(excluded > 0 ? [`Left out ${formatCount(excluded, "row")} of ${title} by data.where.`] : []),
  ];
}

/** What a reader has to know of pairs that are longer than a sequence. */
function createPairNotices(pairs: PairCounts | undefined, title: string): string[] {
  const { cut = 0, dropped = 0 } = pairs ?? {};
  return [
    ...(cut > 0
      ? [
          `${formatCount(cut, "preference pair")} of ${title} had an answer cut to data.sequence_len (data.truncation).`,
        ]
      : []),
    ...(dropped > 0
      ? [
          `Left out ${formatCount(dropped, "preference pair")} of ${title}, because the prompt leaves no room for an answer. Raise data.sequence_len, or set data.truncation: left.`,
        ]
      : []),
  ];
}

function formatCount(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

interface OpenTokens {
  readonly source: Source;
  readonly file: TokenFile;
}

function findToken(
  files: readonly OpenTokens[],
  tokenizer: Tokenizer,
  layout: Layout,
  least: number,
): PlacedToken | undefined {
  for (const { source, file } of files) {
    const location = file.findId(least);
    if (location === undefined) continue;
    return {
      id: location.id,
      name: tokenizer.nameOf(location.id),
      place: `document ${location.document + 1} of ${source.title}, from byte ${findByteOffset(file, tokenizer, location)}`,
    };
  }
  const { padding } = layout;
  if (layout.packing || padding < least) return undefined;
  return { id: padding, name: tokenizer.nameOf(padding), place: "the padding of sequences" };
}

/** Where a token begins in the UTF-8 of its document. */
function findByteOffset(
  file: TokenFile,
  tokenizer: Tokenizer,
  { piece, index }: { readonly piece: number; readonly index: number },
): number {
  let position = 0;
  let bytes = 0;
  for (let each = 0; each < piece; each++) {
    const row = file.row(each);
    position += row.tokens;
    bytes = row.endsDocument ? 0 : bytes + row.bytes;
  }
  const before = new Int32Array(index);
  file.read(position, index, before, 0);
  return bytes + Buffer.byteLength(tokenizer.decode(before));
}

function selectAllPieces(file: TokenFile): Partition["train"] {
  return [{ start: 0, end: file.pieces }];
}

function suggestLabelColumn({ conversation_column: conversations }: DataOptions): string {
  return conversations === undefined
    ? "Raise data.sequence_len, or set data.truncate_prompt."
    : "Raise data.sequence_len, or leave out long questions.";
}

function assertFits(split: Split, name: string, source: Source, all: number, options: DataOptions): void {
  if (split.sequences > 0) return;
  const { sequence_len: length } = options;
  if (split.withoutLabel > 0)
    throw new WorkbenchError(
      "invalid-input",
      `None of the ${split.withoutLabel} ${name} sequences of ${source.title} has a label that counts, because a prompt fills each. ` +
        suggestLabelColumn(options),
    );
  const message = `The ${name} split of ${source.title} has ${split.tokens} tokens`;
  const totalNote = all === split.tokens ? "" : ` (of ${all} in all)`;
  const advice =
    name === "validation"
      ? "Raise data.val_fraction or data.val_set_size, lower data.sequence_len, give data.validation_text, or set data.val_fraction to 0."
      : "Lower data.sequence_len, or give more text.";
  const needed =
    split.layout.characters !== undefined
      ? `packed by characters a sequence takes documents below ${split.layout.characters} characters that have as many together`
      : options.packing
        ? `a sequence of data.sequence_len ${length} needs ${length + 1}`
        : "a sequence needs a document of at least two";
  throw new WorkbenchError("invalid-input", `${message}${totalNote}, but ${needed}. ${advice}`, {
    tokens: split.tokens,
  });
}

/** The entropy rate in nats per byte, times the mean bytes per token (1 with the tokenizer `bytes`). */
function computeLossFloor(origin: Origin, file: TokenFile, tokenizer: Tokenizer): number | undefined {
  if (origin.grammar === undefined) return undefined;
  const { before, after } = getDocumentFrame(tokenizer);
  let bytes = 0;
  for (let piece = 0; piece < file.pieces; piece++) bytes += file.row(piece).bytes;
  const tokens = file.manifest.tokens - before.length - after.length;
  return ((origin.grammar.entropyRate / origin.grammar.bytesPerSymbol) * bytes) / tokens;
}
