/**
 * Draws training batches in blocks. Each block samples documents of the split with or without replacement, packs them
 * together and iterates over the sequences once in random order. The seed and the block number determine everything.
 */
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { WorkbenchError } from "../../protocol/errors";
import type { Packed } from "./packing";
import { shuffleIndices } from "./partition";
import type { Batch, Split } from "./split";

export interface BlockOptions {
  readonly batchSize: number;
  /** Batches of one optimizer step; a block ends with a whole step, filled up with padding. */
  readonly batchesPerStep: number;
  readonly seed: number;
  /** Documents of a block. */
  readonly rows: number;
  readonly replacement: boolean;
  /** Number of passes over the documents. If undefined, the sampler never ends. */
  readonly epochs: number | undefined;
}

/** The state for resuming exactly where a run stopped. */
export interface BlockState {
  readonly seed: number;
  readonly block: number;
  /** Rows of batches drawn in this block. */
  readonly position: number;
  /** Documents of the split, to notice when the data is another. */
  readonly documents: number;
}

/** The position of a training in its blocks. */
export interface BlockPosition {
  /** Counted from 0. */
  readonly index: number;
  /** Steps done in it, and that it takes. */
  readonly step: number;
  readonly steps: number;
  readonly documents: Uint32Array;
  readonly sequences: number;
}

interface Block {
  readonly index: number;
  readonly documents: Uint32Array;
  readonly packed: Packed;
  readonly steps: number;
  /** Order of its sequences. */
  readonly order: Uint32Array;
}

export class BlockSampler {
  #block: Block;
  #position: number;
  /** The documents of an epoch in their order, kept because several blocks are cut out of it. */
  #epoch: { readonly number: number; readonly order: Uint32Array } | undefined;

  constructor(
    readonly split: Split,
    readonly options: BlockOptions,
    start: Pick<BlockState, "block" | "position"> = { block: 0, position: 0 },
  ) {
    this.#block = this.#draw(start.block);
    this.#position = start.position;
    if (this.#block.steps === 0)
      throw new WorkbenchError(
        "invalid-input",
        `A block of ${this.#block.documents.length} documents does not fill a single sequence of ` +
          `${split.layout.sequenceLength} tokens. Raise train.block_rows, or lower data.sequence_len.`,
      );
  }

  static restore(split: Split, options: BlockOptions, state: BlockState): BlockSampler {
    if (state.documents !== split.documents)
      throw new WorkbenchError(
        "invalid-input",
        `The checkpoint was made with ${state.documents} documents to train on, but the data now has ` +
          `${split.documents}. Resume with the data of the first run.`,
      );
    return new BlockSampler(split, { ...options, seed: state.seed }, state);
  }

  get state(): BlockState {
    const { split, options } = this;
    const { index: block } = this.#block;
    return { seed: options.seed, block, position: this.#position, documents: split.documents };
  }

  get block(): BlockPosition {
    const { index, steps, documents, packed } = this.#block;
    return {
      index,
      step: Math.floor(this.#position / this.#rowsPerStep),
      steps,
      documents,
      sequences: packed.sequences,
    };
  }

  /** Whether all of the block has been drawn, so that the next batch begins another. */
  get blockIsOver(): boolean {
    return this.#position >= this.#block.steps * this.#rowsPerStep;
  }

  /** Steps of the whole training; undefined where it has no end of its own. Packs every block to know. */
  get steps(): number | undefined {
    const blocks = this.#blocks;
    if (blocks === undefined) return undefined;
    let steps = 0;
    for (let index = 0; index < blocks; index++) steps += this.#draw(index).steps;
    return steps;
  }

  next(): Batch {
    if (this.blockIsOver) {
      // A last block that is cut short, or one drawn from very short documents, may fill no sequence.
      let tries = 0;
      do this.#block = this.#draw(this.#block.index + 1);
      while (this.#block.steps === 0 && ++tries < MAX_EMPTY_DRAWS);
      if (this.#block.steps === 0)
        throw new WorkbenchError("invalid-input", "No further block of documents fills a sequence.");
      this.#position = 0;
    }
    const { order } = this.#block;
    const rows = Array.from({ length: this.options.batchSize }, () => order[this.#position++] ?? -1);
    return this.split.batch(rows, this.#block.packed);
  }

  get #rowsPerStep(): number {
    return this.options.batchSize * this.options.batchesPerStep;
  }

  /** Documents that a training without replacement draws in all. */
  get #totalDocuments(): number {
    return Math.ceil((this.options.epochs ?? Infinity) * this.split.documents);
  }

  get #blocks(): number | undefined {
    return this.options.epochs === undefined
      ? undefined
      : Math.ceil(this.#totalDocuments / this.options.rows);
  }

  #draw(index: number): Block {
    const { seed } = this.options;
    const documents = this.options.replacement
      ? this.#drawWithReplacement(index)
      : this.#drawWithoutReplacement(index);
    const packed = this.split.pack(documents);
    return {
      index,
      documents,
      packed,
      steps: Math.ceil(packed.sequences / this.#rowsPerStep),
      order: shuffleIndices(packed.sequences, mixSeed(seed, index, 0x85ebca6b)),
    };
  }

  #drawWithReplacement(index: number): Uint32Array {
    const random = xoroshiro128plus(mixSeed(this.options.seed, index, 0xc2b2ae35));
    const last = this.split.documents - 1;
    return Uint32Array.from({ length: this.options.rows }, () => uniformInt(random, 0, last));
  }

  /** The next of the epochs' orders end to end; the last block has what is left. */
  #drawWithoutReplacement(index: number): Uint32Array {
    const { documents: count } = this.split;
    const start = index * this.options.rows;
    const end = Math.min(start + this.options.rows, this.#totalDocuments);
    const documents = new Uint32Array(Math.max(0, end - start));
    for (let at = start; at < end;) {
      const number = Math.floor(at / count);
      if (this.#epoch?.number !== number)
        this.#epoch = {
          number,
          order: shuffleIndices(count, mixSeed(this.options.seed, number, 0x9e3779b1)),
        };
      const from = at - number * count;
      const part = this.#epoch.order.subarray(from, Math.min(count, from + end - at));
      documents.set(part, at - start);
      at += part.length;
    }
    return documents;
  }
}

const MAX_EMPTY_DRAWS = 1000;

/** Spreads the seeds of consecutive numbers and of different purposes. */
function mixSeed(seed: number, number: number, multiplier: number): number {
  return (seed ^ Math.imul(number + 1, multiplier)) | 0;
}
