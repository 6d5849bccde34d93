/** What the panel of charts keeps over a reload of the window. */
import type { Grouping } from "../kit/runGroups";
import type { BoardState } from "./chartBoard";

export interface ChartsState {
  /** Folders of the runs that are shown, in the order of choice; earlier versions kept a color with each. */
  readonly runs: readonly (string | readonly [run: string, slot: number])[];
  readonly metrics: readonly string[];
  readonly board: BoardState;
  readonly filter: string;
  /** The lists at the side are shown. */
  readonly lists: boolean;
  /** What makes one curve of several runs; empty for a curve of each. */
  readonly grouping?: Grouping;
  /** Runs of one plan whose seeds are listed. */
  readonly opened?: readonly string[];
  /** The name of the saved view. */
  readonly savedView?: string;
}
