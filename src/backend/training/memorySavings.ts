/**
 * Which of a step's large values are never held whole. `auto` cuts attention and loss by size alone, so that the same
 * experiment gives the same numbers everywhere; whether layers are recomputed, which changes no number, is for
 * `stepMemory` to say.
 */
import type { TrainOptions } from "../../schema/experiment";
import type { Dimensions } from "../models/family";

export interface MemorySavings {
  /** Queries that attend at a time; undefined for all of a sequence. */
  readonly attentionBlock: number | undefined;
  /** Tokens of a batch whose logits are there at a time; undefined for all. */
  readonly lossChunk: number | undefined;
  /** Whether each layer is computed again in the backward pass. */
  readonly recompute: boolean;
}

export const nothingSaved: MemorySavings = {
  attentionBlock: undefined,
  lossChunk: undefined,
  recompute: false,
};

/** What `auto` allows the attention scores of one block, and the logits of one chunk. */
const scoreBytes = 256 * 2 ** 20;
const logitBytes = 128 * 2 ** 20;
/** Fewer rows than this make matrix products slow. */
const fewestRows = 64;

/** Savings that follow from sizes alone: `auto` recomputes no layers. */
export function savingsBySize(
  { dimensions: { heads, vocabulary } }: { readonly dimensions: Dimensions },
  { rows, length }: { readonly rows: number; readonly length: number },
  options: Pick<TrainOptions, "attention_block_size" | "loss_chunk_size" | "gradient_checkpointing">,
): MemorySavings {
  return {
    attentionBlock: pieceOf(options.attention_block_size, length, 4 * rows * heads * length, scoreBytes),
    lossChunk: pieceOf(options.loss_chunk_size, rows * length, 4 * vocabulary, logitBytes),
    recompute: options.gradient_checkpointing === true,
  };
}

/** How many of `whole` rows there are at a time; undefined where that is all of them. */
function pieceOf(
  asked: "auto" | false | number,
  whole: number,
  bytesPerRow: number,
  limit: number,
): number | undefined {
  const size = asked === "auto" ? powerOfTwo(Math.max(fewestRows, limit / bytesPerRow)) : asked;
  return size === false || size >= whole ? undefined : size;
}

function powerOfTwo(most: number): number {
  return 2 ** Math.floor(Math.log2(most));
}

/** What is saved, for the log; nothing where nothing is. */
export function describeSavings({ attentionBlock, lossChunk, recompute }: MemorySavings): string | undefined {
  const parts = [
    ...(attentionBlock === undefined ? [] : [`attention in blocks of ${attentionBlock} queries`]),
    ...(lossChunk === undefined ? [] : [`logits of ${lossChunk} tokens at a time`]),
    ...(recompute ? ["layers recomputed in the backward pass"] : []),
  ];
  return parts.length === 0 ? undefined : `To save memory: ${parts.join(", ")}.`;
}
