/** Windows over a text that the model reads from a prefix token on, each token of the text scored once (`loglikelihood_rolling`). */
import type { EncodedPair } from "./harnessEncoder";

/**
 * The first window reads the prefix and predicts as many tokens as the model reads at once; each following one predicts as
 * many more from the last token before them, and the last one from as much as fits.
 */
export function createRollingWindows(
  ids: readonly number[],
  prefix: number,
  maxLength: number,
): EncodedPair[] {
  const all = [prefix, ...ids];
  const windows: EncodedPair[] = [];
  for (let scored = 0; scored < ids.length;) {
    const count = Math.min(maxLength, ids.length - scored);
    const end = scored + count;
    // `all[i + 1]` is `ids[i]`; the model reads the `maxLength` tokens before the last that it predicts.
    windows.push({
      context: all.slice(Math.max(0, end - maxLength), scored + 1),
      continuation: all.slice(scored + 1, end + 1),
    });
    scored = end;
  }
  return windows;
}
