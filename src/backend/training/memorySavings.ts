/**
 * Decides which large values of a step are computed in parts. `auto` splits attention and loss by size alone, so that an
 * experiment gives the same results on every machine. `stepMemory` decides whether layers are recomputed, which does not
 * change results.
 */
import type { TrainOptions } from "../../schema/experiment";
import type { Dimensions } from "../models/family";

export interface MemorySavings {
  /** Number of queries per attention block; undefined for whole sequences. */
  readonly attentionBlock: number | undefined;
  /** Number of tokens of a batch whose logits are computed at a time; undefined for all. */
  readonly lossChunk: number | undefined;
  /** Whether each layer is recomputed in the backward pass. */
  readonly recompute: boolean;
}

export const noSavings: MemorySavings = {
  attentionBlock: undefined,
  lossChunk: undefined,
  recompute: false,
};

/** Memory that `auto` allows for the attention scores of one block and for the logits of one chunk. */
const scoreBytes = 256 * 2 ** 20;
const logitBytes = 128 * 2 ** 20;
/** Matrix products with fewer rows than this are slow. */
const minRows = 64;

/** Savings that depend on sizes alone: `auto` does not recompute layers here. */
export function computeSavingsBySize(
  { dimensions: { heads, vocabulary } }: { readonly dimensions: Dimensions },
  { rows, length }: { readonly rows: number; readonly length: number },
  options: Pick<TrainOptions, "attention_block_size" | "loss_chunk_size" | "gradient_checkpointing">,
): MemorySavings {
  return {
    attentionBlock: resolvePieceSize(
      options.attention_block_size,
      length,
      4 * rows * heads * length,
      scoreBytes,
    ),
    lossChunk: resolvePieceSize(options.loss_chunk_size, rows * length, 4 * vocabulary, logitBytes),
    recompute: options.gradient_checkpointing === true,
  };
}

/** Number of rows out of `whole` to compute at a time; undefined for all of them. */
function resolvePieceSize(
  requested: "auto" | false | number,
  whole: number,
  bytesPerRow: number,
  limit: number,
): number | undefined {
  const size = requested === "auto" ? floorToPowerOfTwo(Math.max(minRows, limit / bytesPerRow)) : requested;
  return size === false || size >= whole ? undefined : size;
}

function floorToPowerOfTwo(limit: number): number {
  return 2 ** Math.floor(Math.log2(limit));
}

/** Describes the savings for the log; undefined if there are none. */
export function describeSavings({ attentionBlock, lossChunk, recompute }: MemorySavings): string | undefined {
  const parts = [
    ...(attentionBlock === undefined ? [] : [`attention in blocks of ${attentionBlock} queries`]),
    ...(lossChunk === undefined ? [] : [`logits of ${lossChunk} tokens at a time`]),
    ...(recompute ? ["layers recomputed in the backward pass"] : []),
  ];
  return parts.length === 0 ? undefined : `To save memory: ${parts.join(", ")}.`;
}
