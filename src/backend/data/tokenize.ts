/** From documents to a token file, which is read from the cache where it is intact and built otherwise. */
import path from "node:path";
import {
  type Entry,
  createAnswersEntry,
  createConversationEntry,
  createLabeledEntry,
  createPairEntry,
  createTextEntry,
  type Truncation,
} from "./entries";
import { throwIfCancelled } from "./files";
import { type Piece, splitPieces } from "./pieces";
import { createPreferenceEntry } from "./preferenceTokens";
import type { RowCounts } from "./rowScreen";
import { computeHash, type Source, type SourceContext } from "./source";
import { TokenFile, TokenFileWriter } from "./tokenFile";
import { getDocumentFrame, type Tokenizer } from "./tokenizers/tokenizer";

/** Raised whenever the same text and tokenizer would give another file. */
const FORMAT = 4;

/** The tokens are not in the cache, and the caller does not want to wait for them. */
export class NotCachedError extends Error {}

export interface Tokens {
  readonly file: TokenFile;
  readonly notices: readonly string[];
}

export async function openTokens(
  source: Source,
  tokenizer: Tokenizer,
  cacheFolder: string,
  context: SourceContext,
  {
    onlyKept = false,
    truncation,
    maxPairTokens,
    labels = 0,
  }: {
    readonly onlyKept?: boolean;
    readonly truncation?: Truncation | undefined;
    /** Tokens up to which prompts are shortened, with their answers; undefined leaves them as they are. */
    readonly maxPairTokens?: number;
    /** How many different labels are written beside the tokens. */
    readonly labels?: number;
  } = {},
): Promise<Tokens> {
  const cuts = [truncation, maxPairTokens].filter((each) => each !== undefined);
  const key = computeHash([FORMAT, source.key, tokenizer.hash, ...cuts]);
  const file = path.join(cacheFolder, "tokens", `${key}.tokens`);
  const cached = await TokenFile.open(file, key);
  if (cached instanceof TokenFile) return { file: cached, notices: [] };
  if (onlyKept) throw new NotCachedError();
  const largest = Math.max(tokenizer.vocabSize, labels);
  const cut = await build({ file, key, largest }, source, tokenizer, context, { truncation, maxPairTokens });
  const built = await TokenFile.open(file, key);
  if (!(built instanceof TokenFile))
    throw new Error(`The token cache ${file} cannot be read back just after it was written.`);
  const damaged = `The token cache ${file} was damaged and has been rebuilt.`;
  const what = maxPairTokens === undefined ? "texts" : "prompts";
  const shortened = `${cut} ${what} of ${source.title} are longer than a sequence allows and are cut.`;
  return {
    file: built,
    notices: [...(cached === "damaged" ? [damaged] : []), ...(cut > 0 ? [shortened] : [])],
  };
}

async function build(
  target: { readonly file: string; readonly key: string; readonly largest: number },
  source: Source,
  tokenizer: Tokenizer,
  context: SourceContext,
  {
    truncation,
    maxPairTokens,
  }: { readonly truncation: Truncation | undefined; readonly maxPairTokens: number | undefined },
): Promise<number> {
  // About a thousand pieces even of a short text, so that a split can come close to any share of it.
  const size = Math.min(4096, Math.max(256, Math.ceil(source.bytes / 1024)));
  const writer = await TokenFileWriter.create(target.file, target.key, target.largest);
  let read = 0;
  let rows: RowCounts | undefined;
  const reading = {
    signal: context.signal,
    counted: (counts: RowCounts) => (rows = counts),
    report(bytes: number) {
      read += bytes;
      context.progress(Math.min(read, source.bytes), source.bytes, "tokenising");
    },
  };
  try {
    const { before, after } = getDocumentFrame(tokenizer);
    const batch = new Batch(writer, tokenizer, size);
    let [starts, isPairs] = [true, false];
    for await (const piece of splitPieces(source.fragments(reading), tokenizer.cuts, size)) {
      throwIfCancelled(context.signal);
      const head = starts ? before : [];
      const tail = piece.end ? after : [];
      if (piece.conversation !== undefined)
        await batch.add(createConversationEntry(piece.conversation, tokenizer));
      else if (piece.preference !== undefined) {
        isPairs = true;
        await batch.add(createPreferenceEntry(piece.preference, tokenizer, truncation!));
      } else if (piece.classNumber !== undefined)
        await batch.add(createLabeledEntry(piece, piece.classNumber, tokenizer, truncation!));
      else if (piece.answers !== undefined)
        await batch.add(createAnswersEntry(piece.text, piece.answers, tokenizer, head, tail));
      else if (piece.prompt !== undefined)
        await batch.add(createPairEntry(piece.prompt, piece.text, head, tail, maxPairTokens));
      else if (piece.text.length > maxPieceLength) await batch.addLong(piece, head, tail);
      else await batch.add(createTextEntry(piece, head, tail));
      starts = piece.end;
    }
    await batch.write();
    await source.assertUnchanged();
    await writer.finish(rows, isPairs ? { cut: batch.cut, dropped: batch.dropped } : undefined);
    // What is cut of preference pairs is part of the file, and is reported each time it is read.
    return isPairs ? 0 : batch.cut;
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
}

/** Characters. A longer piece has no proven place to cut, and is divided after it was encoded. */
const maxPieceLength = 1 << 14;
/** Characters that are encoded together, which bounds the memory of the encodings. */
const batchCharacters = 1 << 18;

/** Encodes many texts at once, because the tokenizer does so in parallel, and writes them in their order. */
class Batch {
  #entries: Entry[] = [];
  #characters = 0;
  /** Texts that were shortened. */
  cut = 0;
  /** Preference pairs that are left out. */
  dropped = 0;

  constructor(
    private readonly writer: TokenFileWriter,
    private readonly tokenizer: Tokenizer,
    private readonly target: number,
  ) {}

  async add(entry: Entry): Promise<void> {
    this.#entries.push(entry);
    for (const { length } of entry.texts) this.#characters += length;
    if (this.#characters >= batchCharacters) await this.write();
  }

  async addLong(
    { text, end, dropped }: Piece,
    head: readonly number[],
    tail: readonly number[],
  ): Promise<void> {
    await this.write();
    const parts = await this.tokenizer.encodeInParts(text, this.target);
    let preceding = "";
    for (const [i, part] of parts.entries()) {
      const isLast = i === parts.length - 1;
      const { rows } = createTextEntry(
        { text: part.text, end: isLast && end, dropped: isLast ? dropped : 0 },
        i === 0 ? head : [],
        isLast ? tail : [],
        preceding,
      ).rows([part.ids], []);
      preceding = part.text === "" ? preceding : part.text;
      for (const { ids, row } of rows) await this.writer.add(ids, row);
    }
  }

  async write(): Promise<void> {
    const entries = this.#entries;
    this.#entries = [];
    this.#characters = 0;
    const texts = entries.flatMap((entry) => entry.texts);
    const encoded = entries.some(({ needsOffsets }) => needsOffsets)
      ? await this.tokenizer.encodeWithOffsets!(texts)
      : [];
    const ids = encoded.length > 0 ? encoded.map((each) => each.ids) : await this.tokenizer.encodeAll(texts);
    let start = 0;
    for (const entry of entries) {
      const end = start + entry.texts.length;
      const { rows, isCut, isDropped } = entry.rows(ids.slice(start, end), encoded.slice(start, end));
      start = end;
      if (isCut === true) this.cut++;
      if (isDropped === true) this.dropped++;
      for (const { ids, row } of rows) await this.writer.add(ids, row);
    }
  }
}
