/** What the panel of charts keeps over a reload of the window. */
import type { BoardState } from "./chartBoard";

export interface ChartsState {
  /** Folders of the runs that are shown, with the slot that determines the color and mark of each. */
  readonly runs: readonly (readonly [run: string, slot: number])[];
  readonly metrics: readonly string[];
  readonly board: BoardState;
  readonly filter: string;
  /** The lists at the side are shown. */
  readonly lists: boolean;
}
