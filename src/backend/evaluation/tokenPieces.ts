/** Divides a generated text into what each of its tokens adds. */
import type { Tokenizer } from "../data/tokenizers/tokenizer";

/**
 * The pieces join to the text after the context. A token that ends within a character adds nothing; the character belongs to
 * the token that completes it. Decoded with the context, because a tokenizer may decode a first word without its space.
 */
export function splitPieces(
  tokenizer: Pick<Tokenizer, "decode">,
  { context, ids }: { readonly context: readonly number[]; readonly ids: readonly number[] },
): string[] {
  const contextLength = tokenizer.decode(context).length;
  const all = [...context];
  let shown = "";
  return ids.map((id, i) => {
    all.push(id);
    const text = tokenizer.decode(all).slice(contextLength);
    // An incomplete character decodes to U+FFFD.
    const whole = i === ids.length - 1 ? text : text.replace(/\uFFFD+$/, "");
    if (whole.length <= shown.length || !whole.startsWith(shown)) return "";
    const piece = whole.slice(shown.length);
    shown = whole;
    return piece;
  });
}
