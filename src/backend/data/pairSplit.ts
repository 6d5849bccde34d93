/** The preference pairs of a split as sequences: a batch has two rows for each, the chosen answer above the rejected one. */
import { WorkbenchError } from "../../protocol/errors";
import type { Packed } from "./packing";
import { type Batch, Split } from "./split";

interface PackedPairs extends Packed {
  readonly rejected?: Packed;
}

export class PairSplit extends Split {
  readonly #rejected: Split;

  /** `chosen` is a split of a data set of preference pairs, whose documents have the chosen answers. */
  constructor(chosen: Split) {
    const { file, ranges, layout } = chosen;
    super(file, ranges, { ...layout, pairs: true }, undefined, "chosen");
    this.#rejected = new Split(file, ranges, layout, undefined, "rejected");
    if (this.sequences !== this.documents || this.#rejected.sequences !== this.documents)
      throw new WorkbenchError(
        "internal",
        `${this.documents} preference pairs are ${this.sequences} chosen and ${this.#rejected.sequences} rejected sequences.`,
      );
  }

  override pack(order?: Uint32Array): PackedPairs {
    return { ...super.pack(order), rejected: this.#rejected.pack(order) };
  }

  /** [2 · pairs, length]: rows 2i and 2i + 1 are pair i. */
  override batch(indices: readonly number[], packed?: PackedPairs): Batch {
    const chosen = super.batch(indices, packed);
    const rejected = this.#rejected.batch(indices, packed?.rejected);
    const { length } = chosen;
    const weave = (a: Int32Array, b: Int32Array): Int32Array => {
      const woven = new Int32Array(2 * a.length);
      indices.forEach((_, i) => {
        woven.set(a.subarray(i * length, (i + 1) * length), 2 * i * length);
        woven.set(b.subarray(i * length, (i + 1) * length), (2 * i + 1) * length);
      });
      return woven;
    };
    return {
      rows: 2 * indices.length,
      length,
      tokens: weave(chosen.tokens, rejected.tokens),
      labels: weave(chosen.labels, rejected.labels),
      segments: weave(chosen.segments!, rejected.segments!),
    };
  }
}
