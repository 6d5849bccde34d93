/**
 * A vocabulary of SentencePiece, wherever it was read from, as a Hugging Face `tokenizer.json`, which one library
 * encodes. BPE there has ranked pairs where SentencePiece has scored pieces: every way to join two pieces to a third becomes a
 * pair, ranked by the score of the third.
 */
import { toAddedTokenJson, createDocumentTemplate } from "./addedTokens";
import type { AddedToken } from "./addedTokens";
import { spacedWords } from "./findCutRule";

/** By their numbers in files of SentencePiece and GGUF. */
export const pieceKinds = [undefined, "normal", "unknown", "control", "user", "unused", "byte"] as const;

export interface Piece {
  readonly text: string;
  readonly score: number;
  readonly kind: NonNullable<(typeof pieceKinds)[number]>;
}

export interface PieceVocabulary {
  readonly pieces: readonly Piece[];
  readonly algorithm: "bpe" | "unigram";
  readonly unknown: number;
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Whether a text begins with `bos`. */
  readonly opens: boolean;
  /** Whether a space is put before every text. */
  readonly dummyPrefix: boolean;
  readonly removeExtraSpaces: boolean;
  readonly byteFallback: boolean;
  /** The compiled table by which text is rewritten before it is encoded; empty where it is not. */
  readonly charsmap: Uint8Array;
}

/**
 * `added` are the tokens that other files add to the vocabulary or describe in more detail. In BPE,
 * user-defined pieces that are not among them are cut out of the text after spaces have become ▁, as SentencePiece does. `legacy` adds a space before
 * every piece of text between added tokens, not only before the first.
 */
export function createPieceTokenizerJson(
  vocabulary: PieceVocabulary,
  added: readonly AddedToken[],
  legacy: boolean,
): object {
  const { pieces, algorithm, unknown, dummyPrefix, byteFallback } = vocabulary;
  const vocabularyTokens = pieces.flatMap(({ text, kind }, id): AddedToken[] =>
    kind === "control" || kind === "unknown" ? [{ id, content: text, special: true }] : [],
  );
  const byId = new Map([...vocabularyTokens, ...added].map((token) => [token.id, token]));
  const wholePieces =
    algorithm === "bpe"
      ? pieces.flatMap(({ text, kind }, id) => (kind === "user" && !byId.has(id) ? [text] : []))
      : [];
  const common = { byte_fallback: byteFallback };
  return {
    version: "1.0",
    added_tokens: [...byId.values()].sort((a, b) => a.id - b.id).map(toAddedTokenJson),
    normalizer: createNormalizer(vocabulary, legacy),
    pre_tokenizer: createPreTokenizer(vocabulary, wholePieces, legacy),
    post_processor: createDocumentTemplate(
      vocabulary.opens ? vocabulary.bos : undefined,
      (id) => pieces[id]!.text,
    ),
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        ...(byteFallback ? [{ type: "ByteFallback" }] : []),
        { type: "Fuse" },
        ...(dummyPrefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model:
      algorithm === "bpe"
        ? {
            type: "BPE",
            unk_token: pieces[unknown]?.text ?? null,
            fuse_unk: true,
            // A stretch of text that is a piece becomes that piece: no merges lead to a user-defined one.
            ignore_merges: wholePieces.length > 0,
            ...common,
            vocab: Object.fromEntries(pieces.map(({ text }, id) => [text, id])),
            merges: computeMerges(pieces),
          }
        : {
            type: "Unigram",
            unk_id: unknown,
            ...common,
            vocab: pieces.map(({ text, score, kind }) => [text, kind === "user" ? userScore(text) : score]),
          },
  };
}

/**
 * Words are encoded apart where no piece reaches over the beginning of one, which changes no id and lets the library
 * remember them. Without `legacy`, only what begins a text gets the space.
 */
function createPreTokenizer(
  { pieces, dummyPrefix }: PieceVocabulary,
  wholePieces: readonly string[],
  legacy: boolean,
): object | null {
  const split = (regex: string) => ({
    type: "Split",
    pattern: { Regex: regex },
    behavior: "Isolated",
    invert: false,
  });
  const longestFirst = wholePieces.toSorted((a, b) => b.length - a.length);
  const steps = [
    ...(dummyPrefix && !legacy
      ? [{ type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false }]
      : []),
    ...(wholePieces.length > 0 ? [split(longestFirst.map(escapeRegex).join("|"))] : []),
    ...(pieces.some(({ text, kind }) => kind === "normal" && /[^▁]▁/.test(text)) ? [] : [split(spacedWords)]),
  ];
  return steps.length > 1 ? { type: "Sequence", pretokenizers: steps } : (steps[0] ?? null);
}

const escapeRegex = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function createNormalizer(
  { dummyPrefix, removeExtraSpaces, charsmap }: PieceVocabulary,
  legacy: boolean,
): object {
  const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
  const spaces = removeExtraSpaces
    ? [replace({ Regex: "\\A +|[▁ ]+\\z" }, ""), replace({ Regex: " {2,}" }, " ")]
    : [];
  const table =
    charsmap.length > 0
      ? [{ type: "Precompiled", precompiled_charsmap: Buffer.from(charsmap).toString("base64") }]
      : [];
  // Where nothing is left of a text, nothing is put before it.
  const prefix = removeExtraSpaces
    ? replace({ Regex: "\\A(?=[\\s\\S])" }, "▁")
    : { type: "Prepend", prepend: "▁" };
  return {
    type: "Sequence",
    normalizers: [
      ...table,
      ...spaces,
      ...(dummyPrefix && legacy ? [prefix] : []),
      replace({ String: " " }, "▁"),
    ],
  };
}

/** The score of a user-defined piece in a unigram model: `GetUserDefinedScore` of SentencePiece 0.2.3. */
const userScore = (text: string) => 0.1 * (Buffer.byteLength(text) - 1);

/** Pairs of pieces whose union is a piece, best score of the union first. */
function computeMerges(pieces: readonly Piece[]): [string, string][] {
  const ids = new Map(pieces.flatMap(({ text, kind }, id) => (kind === "normal" ? [[text, id]] : [])));
  const ranked = [...ids].sort(([, a], [, b]) => pieces[b]!.score - pieces[a]!.score);
  return ranked.flatMap(([text]) => {
    const pairs: (readonly [left: string, right: string, leftId: number, rightId: number])[] = [];
    for (let at = 1; at < text.length; at++) {
      const [left, right] = [text.slice(0, at), text.slice(at)];
      const [leftId, rightId] = [ids.get(left), ids.get(right)];
      if (leftId !== undefined && rightId !== undefined) pairs.push([left, right, leftId, rightId]);
    }
    pairs.sort((a, b) => a[2] - b[2] || a[3] - b[3]);
    return pairs.map(([left, right]): [string, string] => [left, right]);
  });
}
