/**
 * One id a character: the distinct characters of a text in code point order, as small character models use them.
 * A corpus of several documents also gets an end-of-text token; one document needs none.
 */
import { createHash } from "node:crypto";
import { WorkbenchError } from "../../../protocol/errors";
import { cutAnywhere } from "./cutRule";
import { encodeByCharacter, type Tokenizer } from "./tokenizer";

export function createCharactersTokenizer(characters: readonly string[], withEndOfText: boolean): Tokenizer {
  // By code point, because a Map of strings is three times slower.
  const ids = new Int32Array(0x110000).fill(-1);
  for (const [id, character] of characters.entries()) ids[character.codePointAt(0)!] = id;
  const endOfText = withEndOfText ? characters.length : undefined;
  return {
    id: "characters",
    vocabSize: characters.length + (withEndOfText ? 1 : 0),
    endOfText,
    bos: undefined,
    hash: createHash("sha256")
      .update(JSON.stringify(["characters", characters, withEndOfText]))
      .digest("hex"),
    cuts: cutAnywhere,
    notices: [],
    files: { "tokenizer.json": JSON.stringify(createTokenizerJson(characters, endOfText), undefined, 1) },
    ...encodeByCharacter((text) => {
      const encoded = new Int32Array(text.length);
      let length = 0;
      for (let i = 0; i < text.length; i++) {
        const point = text.codePointAt(i)!;
        if (point > 0xffff) i++;
        const id = ids[point]!;
        if (id < 0) throw unknownCharacterError(String.fromCodePoint(point), text);
        encoded[length++] = id;
      }
      return encoded.slice(0, length);
    }),
    nameOf: (id) => characters[id] ?? (id === endOfText ? "<|endoftext|>" : undefined),
    decode(encoded) {
      let text = "";
      for (let i = 0; i < encoded.length; i++) text += characters[encoded[i]!] ?? "";
      return text;
    },
  };
}

function unknownCharacterError(character: string, text: string): WorkbenchError {
  const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
  const excerpt = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
  return new WorkbenchError(
    "invalid-input",
    `The character ${JSON.stringify(character)} (U+${code}) in ${excerpt} does not occur in the training text, ` +
      "so the tokenizer `characters` has no id for it. Leave it out, or use the tokenizer `bytes`.",
  );
}

/** Collects the distinct characters of a text that arrives in parts. */
export class CharacterSet {
  readonly #seen = new Uint8Array(0x110000);
  add(text: string): void {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit < 0xd800 || unit > 0xdfff) this.#seen[unit] = 1;
      else {
        const point = text.codePointAt(i)!;
        if (point > 0xffff) i++;
        this.#seen[point] = 1;
      }
    }
  }
  sorted(): string[] {
    const characters: string[] = [];
    for (let point = 0; point < this.#seen.length; point++)
      if (this.#seen[point] === 1) characters.push(String.fromCodePoint(point));
    return characters;
  }
}

/** The same tokenizer in Hugging Face's format: BPE over single characters without a merge. */
function createTokenizerJson(characters: readonly string[], endOfText: number | undefined): unknown {
  const added = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: "1.0",
    added_tokens: endOfText === undefined ? [] : [{ id: endOfText, content: "<|endoftext|>", ...added }],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: "Fuse" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(characters.map((character, id) => [character, id])),
      merges: [],
    },
  };
}
