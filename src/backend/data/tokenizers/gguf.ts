/**
 * Reads the vocabulary out of the metadata of a GGUF file (versions 2 and 3), the format of llama.cpp. Tensors are not
 * read. Every length is held against the bytes that are there before anything is made of it.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { AddedToken } from "./addedTokens";
import type { ByteLevelVocabulary } from "./byteLevelBpe";
import { type Piece, pieceKinds, type PieceVocabulary } from "./pieceVocabulary";

/** Metadata is looked for in this many bytes at the beginning of a file; the largest vocabularies need a third of it. */
export const maxMetadataBytes = 64 * 2 ** 20;

type Scalar = number | boolean | string | bigint;
type Entries = ReadonlyMap<string, Scalar | readonly Scalar[]>;

export interface GgufVocabulary {
  readonly vocabulary: PieceVocabulary | (ByteLevelVocabulary & { readonly algorithm: "byteLevel" });
  readonly bos: string | undefined;
  readonly eos: string | undefined;
  readonly unknown: string | undefined;
  readonly chatTemplate: string | undefined;
}

/** `start` holds the beginning of the file, up to `maxMetadataBytes`. */
export function readGgufVocabulary(id: string, start: Uint8Array): GgufVocabulary {
  const entries = readMetadata(id, start);
  const refuse = (why: string): WorkbenchError =>
    new WorkbenchError(
      "unsupported",
      `The vocabulary of ${id} is not read: ${why}. Give the tokenizer.json of the same model.`,
    );
  const list = <T extends Scalar>(key: string, type: "string" | "number"): readonly T[] => {
    const items: unknown = entries.get(`tokenizer.ggml.${key}`) ?? [];
    if (!Array.isArray(items) || items.some((each) => typeof each !== type))
      throw refuse(`tokenizer.ggml.${key} is not a list of ${type}s`);
    return items as readonly T[];
  };
  const readScalar = <T extends Scalar>(
    key: string,
    type: "string" | "number" | "boolean",
  ): T | undefined => {
    const value = entries.get(`tokenizer.${key}`);
    return typeof value === type ? (value as T) : undefined;
  };
  const tokens = list<string>("tokens", "string");
  const model = readScalar<string>("ggml.model", "string");
  if (tokens.length === 0 || model === undefined) throw refuse("the file holds none");
  const kinds = list<number>("token_type", "number");
  const idOf = (key: string) => {
    const tokenId = readScalar<number>(`ggml.${key}`, "number");
    return tokenId !== undefined && tokenId < tokens.length ? tokenId : undefined;
  };
  const [bos, eos, unknown] = [idOf("bos_token_id"), idOf("eos_token_id"), idOf("unknown_token_id")];
  const text = (token: number | undefined) => (token === undefined ? undefined : tokens[token]);
  const namedTokens = {
    bos: text(bos),
    eos: text(eos),
    unknown: text(unknown),
    chatTemplate: readScalar<string>("chat_template", "string"),
  };
  const opens = readScalar<boolean>("ggml.add_bos_token", "boolean");
  if (model === "llama") {
    const scores = list<number>("scores", "number");
    if (scores.length !== tokens.length || kinds.length !== tokens.length)
      throw refuse(`${tokens.length} tokens have ${scores.length} scores and ${kinds.length} types`);
    const pieces = tokens.map((each, i): Piece => {
      const kind = pieceKinds[kinds[i]!];
      if (kind === undefined) throw refuse(`token ${i} is of type ${kinds[i]}`);
      return { text: each, score: scores[i]!, kind };
    });
    return {
      ...namedTokens,
      vocabulary: {
        pieces,
        algorithm: "bpe",
        unknown: unknown ?? 0,
        bos: bos ?? 1,
        eos: eos ?? 2,
        opens: opens ?? true,
        dummyPrefix: readScalar<boolean>("ggml.add_space_prefix", "boolean") ?? true,
        removeExtraSpaces: readScalar<boolean>("ggml.remove_extra_whitespaces", "boolean") ?? false,
        byteFallback: true,
        charsmap: new Uint8Array(),
      },
    };
  }
  const cutting = readScalar<string>("ggml.pre", "string") ?? "gpt-2";
  if (model !== "gpt2" || cutting !== "gpt-2")
    throw refuse(`it is of the kind ${model}/${cutting}, and read are llama and gpt2/gpt-2`);
  return {
    ...namedTokens,
    vocabulary: {
      algorithm: "byteLevel",
      vocab: Object.fromEntries(tokens.map((token, i) => [token, i])),
      merges: list<string>("merges", "string"),
      added: tokens.flatMap((content, i): AddedToken[] =>
        kinds[i] === 3 || kinds[i] === 4 ? [{ id: i, content, special: kinds[i] === 3 }] : [],
      ),
      bos: opens === true ? bos : undefined,
    },
  };
}

/** Bytes of each type of a value; 8 is a string, 9 a list. */
const widths: Readonly<Record<number, number>> = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};

/** The entries about the tokenizer; all others are passed over. */
function readMetadata(id: string, start: Uint8Array): Entries {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const corruptError = (why: string): WorkbenchError =>
    new WorkbenchError(
      "invalid-input",
      `${id} is not a readable GGUF file: ${why}. Use another copy of the file, or the tokenizer.json of the same model.`,
    );
  let at = 0;
  const take = (length: number): number => {
    if (length > bytes.length - at)
      throw corruptError("its metadata ends too early, or is larger than any vocabulary");
    at += length;
    return at - length;
  };
  const count = (): number => {
    const value = bytes.readBigUInt64LE(take(8));
    // Whatever is counted has at least a byte.
    if (value > BigInt(bytes.length)) throw corruptError(`it claims ${value} entries or letters`);
    return Number(value);
  };
  const string = (): string => {
    const length = count();
    const from = take(length);
    return bytes.toString("utf8", from, from + length);
  };
  const scalar = (type: number): Scalar => {
    if (type === 8) return string();
    const width = widths[type];
    if (width === undefined) throw corruptError(`it has a value of type ${type}`);
    const from = take(width);
    switch (type) {
      case 0:
        return bytes.readUInt8(from);
      case 1:
        return bytes.readInt8(from);
      case 2:
        return bytes.readUInt16LE(from);
      case 3:
        return bytes.readInt16LE(from);
      case 4:
        return bytes.readUInt32LE(from);
      case 5:
        return bytes.readInt32LE(from);
      case 6:
        return bytes.readFloatLE(from);
      case 7:
        return bytes.readUInt8(from) !== 0;
      case 10:
        return bytes.readBigUInt64LE(from);
      case 11:
        return bytes.readBigInt64LE(from);
      default:
        return bytes.readDoubleLE(from);
    }
  };
  if (bytes.length < 24 || bytes.toString("latin1", 0, 4) !== "GGUF")
    throw corruptError("it does not begin with GGUF");
  const version = bytes.readUInt32LE(4);
  if (version !== 2 && version !== 3) throw corruptError(`it is of version ${version}, and read are 2 and 3`);
  at = 16;
  const entries = new Map<string, Scalar | readonly Scalar[]>();
  for (let left = count(); left > 0; left--) {
    const key = string();
    const type = bytes.readUInt32LE(take(4));
    if (type !== 9) {
      const value = scalar(type);
      if (key.startsWith("tokenizer.")) entries.set(key, value);
      continue;
    }
    const element = bytes.readUInt32LE(take(4));
    const length = count();
    const isTokenizerKey = key.startsWith("tokenizer.");
    const values: Scalar[] = [];
    for (let i = 0; i < length; i++) {
      const value = scalar(element);
      if (isTokenizerKey) values.push(value);
    }
    if (isTokenizerKey) entries.set(key, values);
  }
  return entries;
}
