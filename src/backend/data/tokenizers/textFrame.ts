/** The special tokens around one text or two, as the post-processor of a `tokenizer.json` adds them: `[CLS] a [SEP] b [SEP]`. */
import type { CoreTokenizer } from "./core";

export interface TextFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

export interface PairFrame extends TextFrame {
  /** Between the texts, of token type 0. */
  readonly between: readonly number[];
  /** Before the second text, of the token type of that text. */
  readonly beforeSecond: readonly number[];
  /** Of the second text and what follows it. */
  readonly secondType: 0 | 1;
}

export interface Frames {
  readonly single: TextFrame;
  /** Undefined where the tokens have other types than 0 for the first text and 0 or 1 for the second. */
  readonly pair: PairFrame | undefined;
}

interface FramedEncoding {
  readonly ids: readonly number[];
  readonly types: readonly number[];
  /** Which text a token belongs to; null for a special token. */
  readonly texts: readonly (number | null | undefined)[];
}

/** Undefined where the file adds nothing, or its vocabulary has no token for the texts that this is tried on. */
export async function findFrames(core: CoreTokenizer): Promise<Frames | undefined> {
  const single = await encodeFramed(core, null);
  const [first, last] = [single.texts.indexOf(0), single.texts.lastIndexOf(0)];
  if (first < 0 || single.texts.length === last - first + 1) return undefined;
  return {
    single: { before: single.ids.slice(0, first), after: single.ids.slice(last + 1) },
    pair: createPairFrame(await encodeFramed(core, "a")),
  };
}

async function encodeFramed(core: CoreTokenizer, second: string | null): Promise<FramedEncoding> {
  const encoding = await core.encode("a", second, { addSpecialTokens: true });
  return { ids: encoding.getIds(), types: encoding.getTypeIds(), texts: encoding.getSequenceIds() };
}

function createPairFrame({ ids, types, texts }: FramedEncoding): PairFrame | undefined {
  const [first, firstEnd] = [texts.indexOf(0), texts.lastIndexOf(0) + 1];
  const [second, secondEnd] = [texts.indexOf(1), texts.lastIndexOf(1) + 1];
  const secondType = types[second];
  if (first < 0 || second < firstEnd || (secondType !== 0 && secondType !== 1)) return undefined;
  const change = types.indexOf(1);
  const from = change < 0 ? second : change;
  const isInOrder = types.every((type, at) => type === (at < from ? 0 : secondType));
  if (!isInOrder || from < firstEnd || from > second) return undefined;
  return {
    before: ids.slice(0, first),
    between: ids.slice(firstEnd, from),
    beforeSecond: ids.slice(from, second),
    after: ids.slice(secondEnd),
    secondType,
  };
}

/** Tokens that two texts keep of `limit` together: the longer one is cut first, as `longest_first` of tokenizers does. */
export function truncateLongestFirst(
  first: number,
  second: number,
  limit: number,
): readonly [number, number] {
  if (first + second <= limit) return [first, second];
  const shorter = Math.min(first, second);
  const half = Math.floor(limit / 2);
  const longer = limit - shorter;
  const [small, large] = longer >= shorter ? [shorter, longer] : [half, limit - half];
  return first > second ? [large, small] : [small, large];
}
