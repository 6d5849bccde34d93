/** From documents to a token file: taken from the cache when it is there and intact, else made piece by piece. */
import path from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { throwIfCancelled } from "./files";
import { type Piece, piecesOf } from "./pieces";
import type { RowCounts } from "./rowScreen";
import { hashOf, type Source, type SourceContext } from "./source";
import { countCharacters, countText } from "./spaces";
import { TokenFile, TokenFileWriter } from "./tokenFile";
import { documentFrame, type Tokenizer } from "./tokenizers/tokenizer";

/** Raised whenever the same text and tokenizer would give another file. */
const FORMAT = 2;

/** The tokens are not in the cache, and whoever asked does not want to wait for them. */
export class NotKept extends Error {}

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
    labels = 0,
  }: {
    readonly onlyKept?: boolean;
    readonly truncation?: Truncation | undefined;
    /** How many different labels are written beside the tokens. */
    readonly labels?: number;
  } = {},
): Promise<Tokens> {
  const key = hashOf([FORMAT, source.key, tokenizer.hash, ...(truncation === undefined ? [] : [truncation])]);
  const file = path.join(cacheFolder, "tokens", `${key}.tokens`);
  const cached = await TokenFile.open(file, key);
  if (cached instanceof TokenFile) return { file: cached, notices: [] };
  if (onlyKept) throw new NotKept();
  const largest = Math.max(tokenizer.vocabSize, labels);
  const cut = await build({ file, key, largest }, source, tokenizer, context, truncation);
  const built = await TokenFile.open(file, key);
  if (!(built instanceof TokenFile))
    throw new Error(`The token cache ${file} cannot be read back just after it was written.`);
  const damaged = `The token cache ${file} was damaged and has been made anew.`;
  const shortened = `${cut} texts of ${source.title} are longer than a sequence and are cut.`;
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
  truncation: Truncation | undefined,
): Promise<number> {
  let cut = 0;
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
    const { before, after } = documentFrame(tokenizer);
    let starts = true;
    for await (const piece of piecesOf(source.fragments(reading), tokenizer.seams, size)) {
      throwIfCancelled(context.signal);
      const head = starts ? before : [];
      const tail = piece.end ? after : [];
      if (piece.classNumber !== undefined) {
        const room = { most: truncation!.length - head.length, from: truncation!.from };
        cut += await addLabelled(writer, piece.text, piece.classNumber, tokenizer, head, room);
      } else if (piece.prompt === undefined) await addText(writer, piece, tokenizer, head, tail);
      else await addPair(writer, piece.prompt, piece.text, tokenizer, head, tail);
      starts = piece.end;
    }
    await source.assertUnchanged();
    await writer.finish(rows);
    return cut;
  } catch (thrown) {
    await writer.abandon();
    throw thrown;
  }
}

/** Of a text with a label only as much as a sequence holds. */
export interface Truncation {
  /** Tokens of a sequence. */
  readonly length: number;
  readonly from: "right" | "left" | "none";
}

/** Text that no loss counts, then the number of its class as if it were a token. One where the text had to be cut, else 0. */
async function addLabelled(
  writer: TokenFileWriter,
  text: string,
  classNumber: number,
  tokenizer: Tokenizer,
  head: readonly number[],
  { most, from }: { readonly most: number; readonly from: Truncation["from"] },
): Promise<0 | 1> {
  const ids = tokenizer.encode(text);
  const isLong = ids.length > most;
  if (isLong && from === "none")
    throw new WorkbenchError(
      "invalid-input",
      `A text has ${ids.length} tokens where a sequence has ${most}: ${JSON.stringify(text.slice(0, 60))}…. Raise data.sequence_len, or say with data.truncation from which side it is cut.`,
    );
  const own = !isLong ? ids : from === "left" ? ids.subarray(ids.length - most) : ids.subarray(0, most);
  await writer.add([head, own], {
    ...countText(text),
    characters: countCharacters(text),
    endsDocument: false,
    masked: true,
  });
  const nothing = { bytes: 0, characters: 0, words: 0, lines: 0 };
  await writer.add([[classNumber]], { ...nothing, endsDocument: true, masked: false });
  return isLong ? 1 : 0;
}

async function addText(
  writer: TokenFileWriter,
  { text, end, dropped }: Piece,
  tokenizer: Tokenizer,
  head: readonly number[],
  tail: readonly number[],
): Promise<void> {
  const { bytes, words, lines } = countText(text);
  await writer.add([head, tokenizer.encode(text), tail], {
    bytes: bytes + dropped,
    characters: countCharacters(text) + dropped,
    words,
    lines,
    endsDocument: end,
    masked: false,
  });
}

/**
 * The ids are those of prompt and response written as one text. The part that the prompt alone gives as well is
 * masked, so a token that spans both counts as part of the response.
 */
async function addPair(
  writer: TokenFileWriter,
  prompt: string,
  response: string,
  tokenizer: Tokenizer,
  head: readonly number[],
  tail: readonly number[],
): Promise<void> {
  const alone = tokenizer.encode(prompt);
  const whole = tokenizer.encode(prompt + response);
  let shared = 0;
  while (shared < alone.length && alone[shared] === whole[shared]) shared++;
  await writer.add([head, whole.subarray(0, shared)], {
    ...countText(prompt),
    characters: countCharacters(prompt),
    endsDocument: false,
    masked: true,
  });
  await writer.add([whole.subarray(shared), tail], {
    ...countText(response),
    characters: countCharacters(response),
    endsDocument: true,
    masked: false,
  });
}
