/**
 * Remembers the ids of words that were encoded before. Most words of a text are repeated, and finding one in a map is
 * much faster than encoding it. Words end where a cut is proven to change no id.
 */
import { type CutRule, divide } from "./cutRule";

type EncodeAll = (texts: readonly string[]) => Promise<Int32Array[]>;

interface Word {
  /** Empty until the word is encoded. */
  ids: Int32Array;
}

/** Bounds the memory, to about 100 MB for words of English. */
const maxRememberedCharacters = 1 << 22;
const none = new Int32Array();

/**
 * Gives the ids that `encodeAll` gives, but calls it only with words that are not remembered. Beyond `maxCharacters` of
 * remembered words it forgets all of them.
 */
export function rememberWords(
  cuts: CutRule,
  encodeAll: EncodeAll,
  maxCharacters = maxRememberedCharacters,
): EncodeAll {
  const cache = new Map<string, Word>();
  let characters = 0;
  return async (texts) => {
    const fresh = new Map<string, Word>();
    const find = (text: string): Word => {
      let word = cache.get(text) ?? fresh.get(text);
      if (word === undefined) fresh.set(text, (word = { ids: none }));
      return word;
    };
    const sentences = texts.map((text) => divide(cuts, text).map(find));
    if (fresh.size > 0) {
      const encoded = await encodeAll([...fresh.keys()]);
      if (characters > maxCharacters) {
        cache.clear();
        characters = 0;
      }
      let i = 0;
      for (const [text, word] of fresh) {
        word.ids = encoded[i++]!;
        cache.set(copyOf(text), word);
        characters += text.length;
      }
    }
    return sentences.map(join);
  };
}

/** A part of a string keeps the whole of it in memory; a copy does not. */
function copyOf(text: string): string {
  return Buffer.from(text, "utf16le").toString("utf16le");
}

function join(words: readonly Word[]): Int32Array {
  let length = 0;
  for (const { ids } of words) length += ids.length;
  const joined = new Int32Array(length);
  let at = 0;
  for (const { ids } of words) for (let i = 0; i < ids.length; i++) joined[at++] = ids[i]!;
  return joined;
}
