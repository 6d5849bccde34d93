/** What is encoded of each piece, and how its ids are written: plain text, a prompt with its answer, a conversation, or texts with a label. */
import { WorkbenchError } from "../../protocol/errors";
import { splitTokenRuns, type TokenRun, writeRow } from "./conversationTokens";
import type { Conversation } from "./conversations";
import type { Piece } from "./pieces";
import { countCharacters, countText, isSpace } from "./spaces";
import type { PieceRow } from "./tokenFile";
import { truncateLongestFirst, type PairFrame } from "./tokenizers/textFrame";
import type { EncodedText } from "./tokenizers/core";
import { getDocumentFrame, type Tokenizer } from "./tokenizers/tokenizer";

/** Of a text with a label, or of a prompt with its answer, only as much as a sequence holds. */
export interface Truncation {
  /** Tokens of a sequence. */
  readonly length: number;
  readonly from: "right" | "left" | "none";
}

export interface Rows {
  readonly ids: readonly ArrayLike<number>[];
  readonly row: Omit<PieceRow, "tokens">;
}

/** Texts to encode and what is written of them, once their ids are known. */
export interface Entry {
  readonly texts: readonly string[];
  /** Whether `rows` needs the place of each token. */
  readonly needsOffsets?: boolean;
  rows(
    ids: readonly Int32Array[],
    /** Empty where no entry needs offsets. */
    encoded: readonly EncodedText[],
  ): {
    readonly rows: readonly Rows[];
    readonly isCut?: boolean;
    /** Whether nothing is written, because a preference pair has no room for an answer. */
    readonly isDropped?: boolean;
  };
}

const emptyIds = { bytes: 0, characters: 0, words: 0, lines: 0 };

/**
 * Text that no loss counts, then the number of its class as if it were a token. Special tokens are those of the tokenizer's
 * rules for one text or two, and stay where a text is cut.
 */
export function createLabeledEntry(
  { text, pair }: Pick<Piece, "text" | "pair">,
  classNumber: number,
  tokenizer: Tokenizer,
  truncation: Truncation,
): Entry {
  const label: Rows = {
    ids: [[classNumber]],
    row: { ...emptyIds, endsDocument: true, masked: false, isLabel: true },
  };
  const frame = pair && getPairFrame(tokenizer);
  if (pair !== undefined && frame !== undefined) {
    const { before, between, beforeSecond, after, secondType } = frame;
    const special = before.length + between.length + beforeSecond.length + after.length;
    return {
      texts: pair,
      rows([first, second]) {
        const most = computeRoom(text, first!.length + second!.length, special, truncation);
        const lengths = truncateLongestFirst(first!.length, second!.length, most);
        const [a, b] = [cut(first!, lengths[0], truncation), cut(second!, lengths[1], truncation)];
        const rows = [
          {
            ids: [before, a, between],
            row: { ...computeSizes(pair[0]), endsDocument: false, masked: true },
          },
          {
            ids: [beforeSecond, b, after],
            row: { ...computeSizes(pair[1]), endsDocument: false, masked: true, tokenType: secondType },
          },
          label,
        ];
        return { isCut: a.length + b.length < first!.length + second!.length, rows };
      },
    };
  }
  const { before, after } = tokenizer.frames?.single ?? { ...getDocumentFrame(tokenizer), after: [] };
  return {
    texts: [text],
    rows([all]) {
      const most = computeRoom(text, all!.length, before.length + after.length, truncation);
      const part = cut(all!, Math.min(most, all!.length), truncation);
      const row = { ...computeSizes(text), endsDocument: false, masked: true };
      return { isCut: part.length < all!.length, rows: [{ ids: [before, part, after], row }, label] };
    },
  };
}

/** Undefined where the tokenizer does not close its texts: two of them are then one text with a separator. */
export function getPairFrame({ id, frames }: Pick<Tokenizer, "id" | "frames">): PairFrame | undefined {
  if (frames === undefined || frames.single.after.length === 0) return undefined;
  if (frames.pair !== undefined) return frames.pair;
  throw new WorkbenchError(
    "unsupported",
    `${id} gives pairs of texts other token types than 0 for the first text and 0 or 1 for the second, which is not implemented. ` +
      "Set data.pair_separator to read each pair as one text.",
  );
}

/** Tokens that remain for text beside the special ones. */
function computeRoom(text: string, tokens: number, special: number, { length, from }: Truncation): number {
  const maxTokens = length - special;
  if (maxTokens < 1)
    throw new WorkbenchError(
      "invalid-input",
      `A sequence of ${length} tokens has no room for text beside the tokenizer's ${special} special tokens. Raise data.sequence_len.`,
    );
  if (tokens > maxTokens && from === "none")
    throw new WorkbenchError(
      "invalid-input",
      `A text has ${tokens} tokens, and a sequence has ${maxTokens}: ${JSON.stringify(text.slice(0, 60))}…. ` +
        "Raise data.sequence_len, or choose with data.truncation the side from which it is cut.",
    );
  return maxTokens;
}

function cut(ids: Int32Array, count: number, { from }: Truncation): Int32Array {
  return from === "left" ? ids.subarray(ids.length - count) : ids.subarray(0, count);
}

export function createTextEntry(
  { text, end, dropped }: Pick<Piece, "text" | "end" | "dropped">,
  head: readonly number[],
  tail: readonly number[],
  preceding = "",
): Entry {
  const { bytes, characters, words, lines } = computeSizes(text, preceding);
  const row = {
    bytes: bytes + dropped,
    characters: characters + dropped,
    words,
    lines,
    endsDocument: end,
    masked: false,
  };
  return { texts: [text], rows: ([ids]) => ({ rows: [{ ids: [head, ids!, tail], row }] }) };
}

/**
 * The ids are those of prompt and response written as one text. The part that the prompt alone gives as well is
 * masked, so a token that spans both counts as part of the response. The prompt is cut on the left where both have more
 * than `maxPairTokens` tokens.
 */
export function createPairEntry(
  prompt: string,
  response: string,
  head: readonly number[],
  tail: readonly number[],
  maxPairTokens = Infinity,
): Entry {
  return {
    texts: [prompt, prompt + response],
    rows([promptIds, pairIds]) {
      let shared = 0;
      while (shared < promptIds!.length && promptIds![shared] === pairIds![shared]) shared++;
      const answer = pairIds!.length - shared + tail.length;
      // The token before the answer stays, because it predicts the first one of it.
      const room = Math.max(1, maxPairTokens - head.length - answer);
      const isCut = shared > room;
      return {
        isCut,
        rows: [
          {
            ids: [head, pairIds!.subarray(isCut ? shared - room : 0, shared)],
            row: { ...computeSizes(prompt), endsDocument: false, masked: true },
          },
          {
            ids: [pairIds!.subarray(shared), tail],
            row: { ...computeSizes(response, prompt), endsDocument: true, masked: false },
          },
        ],
      };
    },
  };
}

/** The template writes the tokens that open and close a conversation. */
export function createConversationEntry(conversation: Conversation, tokenizer: Tokenizer): Entry {
  const rendered = writeRow(tokenizer, conversation);
  return {
    texts: [rendered.text],
    needsOffsets: true,
    rows: (_, [encoded]) => ({
      rows: createRunRows(splitTokenRuns(rendered, encoded!, conversation.answersOnly), [], []),
    }),
  };
}

/** A text of which the loss counts the answers alone, and the end of the document after an answer. */
export function createAnswersEntry(
  text: string,
  answers: readonly (readonly [number, number])[],
  tokenizer: Tokenizer,
  head: readonly number[],
  tail: readonly number[],
): Entry {
  if (tokenizer.encodeWithOffsets !== undefined)
    return {
      texts: [text],
      needsOffsets: true,
      rows: (_, [encoded]) => ({
        rows: createRunRows(splitTokenRuns({ text, answers }, encoded!, true), head, tail),
      }),
    };
  // Each character is encoded apart, so that the parts have the ids of the whole.
  const borders = [0, ...answers.flat(), text.length];
  const parts = borders
    .slice(1)
    .map((end, i) => ({ text: text.slice(borders[i], end), counts: i % 2 === 1 }))
    .filter((part) => part.text !== "");
  return {
    texts: parts.map((part) => part.text),
    rows: (ids) => ({
      rows: createRunRows(
        parts.map((part, i) => ({ ...part, ids: ids[i]! })),
        head,
        tail,
      ),
    }),
  };
}

function createRunRows(runs: readonly TokenRun[], head: readonly number[], tail: readonly number[]): Rows[] {
  const last = runs.length - 1;
  return runs.map(({ ids, text, counts }, i) => ({
    ids: [i === 0 ? head : [], ids, i === last ? tail : []],
    row: {
      ...computeSizes(text, i === 0 ? "" : runs[i - 1]!.text),
      endsDocument: i === last,
      masked: !counts,
    },
  }));
}

/** A word that the preceding text has begun counts as part of that text. */
export function computeSizes(
  text: string,
  preceding = "",
): Omit<PieceRow, "tokens" | "endsDocument" | "masked"> {
  const { bytes, words, lines } = countText(text);
  const isInWord = text !== "" && preceding !== "" && !isSpace(preceding.charCodeAt(preceding.length - 1));
  const continuesWord = isInWord && !isSpace(text.charCodeAt(0));
  return { bytes, words: continuesWord ? words - 1 : words, lines, characters: countCharacters(text) };
}
