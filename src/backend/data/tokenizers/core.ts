/**
 * Loads the native library of Hugging Face `tokenizers`, which encodes and decodes whatever a `tokenizer.json` specifies.
 * Only processes of the backend may load it: a fault in native code must not end the editor's extension host.
 */
import type * as Library from "tokenizers";
import { WorkbenchError } from "../../../protocol/errors";

export type CoreTokenizer = Library.Tokenizer;
type Encoding = Library.Encoding;

/** Ids, and where each token starts and ends in the text, as indices of its string. */
export interface EncodedText {
  readonly ids: Int32Array;
  readonly starts: Int32Array;
  readonly ends: Int32Array;
}

let library: Promise<typeof Library> | undefined;

async function loadLibrary(): Promise<typeof Library> {
  try {
    return await (library ??= import("tokenizers"));
  } catch (cause) {
    throw new WorkbenchError(
      "unsupported",
      `The native tokenizer library does not load on ${process.platform}-${process.arch} ` +
        `(${cause instanceof Error ? cause.message.split("\n")[0]! : String(cause)}). ` +
        "Reinstall Lathe for this platform, or use the tokenizer `bytes` or `characters`, which need no library.",
      {},
      { cause },
    );
  }
}

/** `json` is the content of a `tokenizer.json`. Throws the library's own error where it cannot be read. */
export async function openCore(json: object): Promise<CoreTokenizer> {
  const { Tokenizer } = await loadLibrary();
  return Tokenizer.fromString(JSON.stringify(json));
}

const withoutFrame = { addSpecialTokens: false };

export async function encodeBatch(core: CoreTokenizer, texts: readonly string[]): Promise<Int32Array[]> {
  const encodings = await core.encodeBatch([...texts], withoutFrame);
  return encodings.map((encoding) => Int32Array.from(encoding.getIds()));
}

export async function encodeWithOffsets(
  core: CoreTokenizer,
  texts: readonly string[],
): Promise<EncodedText[]> {
  const encodings = await core.encodeBatch([...texts], withoutFrame);
  return encodings.map((encoding, i) => {
    const offsets = encoding.getOffsets();
    const unitOf = mapCharactersToUnits(texts[i]!);
    return {
      ids: Int32Array.from(encoding.getIds()),
      starts: Int32Array.from(offsets, ([start]) => unitOf(start!)),
      ends: Int32Array.from(offsets, ([, end]) => unitOf(end!)),
    };
  });
}

/** Offsets of tokens count Unicode characters, and a string is made of UTF-16 units. */
function mapCharactersToUnits(text: string): (character: number) => number {
  const units = new Int32Array(text.length + 1);
  let characters = 0;
  let unit = 0;
  for (const character of text) {
    units[characters++] = unit;
    unit += character.length;
  }
  units[characters] = unit;
  return (character) => units[Math.min(character, characters)]!;
}

/** Divides an encoded text at the beginnings of tokens, into parts of about `target` characters. */
export async function encodeInParts(core: CoreTokenizer, text: string, target: number) {
  const encoding: Encoding = await core.encode(text, null, withoutFrame);
  const ids = Int32Array.from(encoding.getIds());
  const perPart = Math.max(1, Math.floor((ids.length * target) / Math.max(1, text.length)));
  const parts: { text: string; ids: Int32Array }[] = [];
  let [from, start, characters] = [0, 0, 0];
  for (let at = perPart; at < ids.length; at += perPart) {
    const [begins] = encoding.tokenToChars(at) ?? [characters];
    // Offsets count Unicode characters, and a string is made of UTF-16 units.
    let end = start;
    for (; characters < begins; characters++) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
    parts.push({ text: text.slice(start, end), ids: ids.subarray(from, at) });
    [from, start] = [at, end];
  }
  parts.push({ text: text.slice(start), ids: ids.subarray(from) });
  return parts;
}

/** Decodes as the library does, without waiting for it. */
export function decodeWith(
  core: CoreTokenizer,
  special: ReadonlySet<string>,
): (ids: ArrayLike<number>) => string {
  const decoder = core.getDecoder();
  return (ids) => {
    const tokens = Array.from(ids).flatMap((id) => {
      const token = core.idToToken(id);
      return token === null || special.has(token) ? [] : [token];
    });
    return decoder === null ? tokens.join(" ") : decoder.decode(tokens);
  };
}
