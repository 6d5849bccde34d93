/** Draws each training sequence once per epoch, in an order determined by the seed and the epoch. */
import { WorkbenchError } from "../../protocol/errors";
import { shuffleIndices } from "./partition";
import type { Batch, Split } from "./split";

/** The state for resuming exactly where a run stopped. */
export interface SamplerState {
  readonly seed: number;
  readonly epoch: number;
  /** Sequences drawn in this epoch. */
  readonly position: number;
  /** Sequences of the split, to notice when the data is another. */
  readonly sequences: number;
}

export class Sampler {
  #epoch: number;
  #position: number;
  #order: Uint32Array | undefined;

  constructor(
    readonly split: Split,
    readonly batchSize: number,
    readonly seed: number,
    start: Pick<SamplerState, "epoch" | "position"> = { epoch: 0, position: 0 },
  ) {
    if (split.sequences === 0)
      throw new WorkbenchError("invalid-input", "There is not a single sequence to draw from.");
    this.#epoch = start.epoch;
    this.#position = start.position;
  }

  static restore(split: Split, batchSize: number, state: SamplerState): Sampler {
    if (state.sequences !== split.sequences)
      throw new WorkbenchError(
        "invalid-input",
        `The checkpoint was made with ${state.sequences} training sequences, but the data now has ` +
          `${split.sequences}. Resume with the data and the sequence length of the first run.`,
      );
    return new Sampler(split, batchSize, state.seed, state);
  }

  get state(): SamplerState {
    const { seed, split } = this;
    return { seed, epoch: this.#epoch, position: this.#position, sequences: split.sequences };
  }

  /** A full batch unless fewer rows are asked for: what an epoch leaves over is joined by the first sequences of the next. */
  next(rows = this.batchSize): Batch {
    return this.split.batch(Array.from({ length: rows }, () => this.#draw()));
  }

  #draw(): number {
    if (this.#position >= this.split.sequences) {
      this.#epoch++;
      this.#position = 0;
      this.#order = undefined;
    }
    // An odd multiplier spreads the seeds of consecutive epochs and runs.
    this.#order ??= shuffleIndices(
      this.split.sequences,
      (this.seed ^ Math.imul(this.#epoch + 1, 0x9e3779b1)) | 0,
    );
    return this.#order[this.#position++]!;
  }
}
