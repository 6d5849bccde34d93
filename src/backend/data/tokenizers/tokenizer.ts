/** What turns text into token ids and back. */
import type { Chat } from "./chatTemplate";
import type { EncodedText } from "./core";
import type { CutRule } from "./cutRule";
import type { Frames } from "./textFrame";

export interface Tokenizer {
  /** `bytes`, `characters`, or the name of the file. */
  readonly id: string;
  /** One more than the highest id. */
  readonly vocabSize: number;
  /** Closes a document. */
  readonly endOfText: number | undefined;
  /** Opens a document. Where it equals `endOfText`, it occurs once between two documents. */
  readonly bos: number | undefined;
  /** Special tokens around a text with a label, where the tokenizer has rules for them. */
  readonly frames?: Frames | undefined;
  /** The format of conversations, where the tokenizer includes a template. */
  readonly chat?: Chat | undefined;
  /** Equal hashes give equal ids for every text. */
  readonly hash: string;
  /** Where a text may be cut without changing an id; undefined where no place is proven. */
  readonly cuts: CutRule | undefined;
  /** What Lathe had to assume about the files. */
  readonly notices: readonly string[];
  /** Files by name. Written into a folder, `openTokenizer` and other programs read this tokenizer from them. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Ids of the text alone, without `bos` and `endOfText`. */
  encode(text: string): Promise<Int32Array>;
  /** The same for each text, in parallel. */
  encodeAll(texts: readonly string[]): Promise<Int32Array[]>;
  /** The same with the place of each token. Not for tokenizers in JavaScript, which have no chat template. */
  encodeWithOffsets?(texts: readonly string[]): Promise<EncodedText[]>;
  /** Encodes the text as a whole, then divides text and ids into parts of about `target` characters. */
  encodeInParts(text: string, target: number): Promise<readonly EncodedPart[]>;
  /** Text of the ids. Special tokens have none; broken UTF-8 becomes the replacement character. */
  decode(ids: ArrayLike<number>): string;
  /** The text of one token as the vocabulary writes it; undefined for an unused id. */
  nameOf(id: number): string | undefined;
}

export interface EncodedPart {
  readonly text: string;
  readonly ids: Int32Array;
}

/** A special token of `tokenizer.json`. */
export interface SpecialToken {
  readonly id: number;
  readonly content: string;
}

export function listSpecialTokens({ files }: Pick<Tokenizer, "files">): readonly SpecialToken[] {
  const file = files["tokenizer.json"];
  if (file === undefined) return [];
  const { added_tokens: added = [] } = JSON.parse(
    typeof file === "string" ? file : Buffer.from(file).toString(),
  ) as { added_tokens?: readonly (SpecialToken & { readonly special?: boolean })[] };
  return added.filter(({ special }) => special === true);
}

/** The token that hides others from an encoder. */
export function findMaskToken(tokenizer: Pick<Tokenizer, "files">): number | undefined {
  return listSpecialTokens(tokenizer).find(({ content }) => content === "[MASK]" || content === "<mask>")?.id;
}

/** Ids before and after the text of every document to learn a language from. */
export function getDocumentFrame({ bos, endOfText }: Pick<Tokenizer, "bos" | "endOfText">): {
  before: readonly number[];
  after: readonly number[];
} {
  return {
    before: bos === undefined ? [] : [bos],
    after: endOfText === undefined || endOfText === bos ? [] : [endOfText],
  };
}

/** The methods of a tokenizer that encodes in JavaScript, each character apart. */
export function encodeByCharacter(
  encode: (text: string) => Int32Array,
): Pick<Tokenizer, "encode" | "encodeAll" | "encodeInParts"> {
  // A promise, so that an error reaches the caller in the same way as from the native library.
  const encodeLater = async (text: string): Promise<Int32Array> => Promise.resolve(encode(text));
  return {
    encode: encodeLater,
    encodeAll: (texts) => Promise.all(texts.map(encodeLater)),
    async encodeInParts(text) {
      return [{ text, ids: await encodeLater(text) }];
    },
  };
}
