/** Histograms over the steps of a training, as `train.watch` recorded them. */
import type { WatchedKind } from "../../schema/watch";
import type { Spread, Statistic, WatchedTensor } from "../watch";

export interface GroupHistory {
  /** All that the run has recorded so far, as `histograms.list` has them. */
  readonly recorded: readonly WatchedTensor[];
  /** In the order of layers. */
  readonly tensors: readonly WatchedTensor[];
  readonly steps: readonly number[];
  /** By tensor, then by step; null where a tensor has no record. */
  readonly statistics: Readonly<Record<Statistic, readonly (readonly (number | null)[])[]>>;
  /** Those of the tensor that was asked for, by step. */
  readonly spreads: readonly (Spread | null)[];
}

export interface HistogramRequests {
  /** The tensors that a run has recorded so far; none if its trainings have no `watch`. */
  "histograms.list": {
    params: { readonly run: string };
    result: { readonly tensors: readonly WatchedTensor[] };
  };
  /** The records of a group, so of one tensor in all layers, and the whole histograms of one of its tensors. */
  "histograms.read": {
    params: {
      readonly run: string;
      readonly what: WatchedKind;
      readonly group: string;
      /** The first layer's without a name, or if the group has no tensor of this name. */
      readonly name?: string;
    };
    result: GroupHistory;
  };
}
