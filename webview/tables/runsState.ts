/** What the panel of all runs keeps over a reload of the window. */
import type { ViewState } from "../views/viewState";
import type { Arrangement } from "./runTable";

export interface RunsState {
  readonly arrangement: Arrangement;
  readonly filter: string;
  readonly selected: readonly string[];
  readonly compared: readonly string[];
  readonly comparisonHeight: number;
  /** Settings are columns of the table. */
  readonly settings: boolean;
  readonly view?: ViewState;
  /** The name of the saved view. */
  readonly savedView?: string;
  readonly scrollTop: number;
}
