/** What a view of the runs gets from its page, and what it asks of it. The page owns all of it. */
import type { ChartTheme } from "../../src/pictures/theme";
import type { Host } from "../../src/protocol/page";
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { Stage } from "../kit/stage";
import type { RunColumn } from "../tables/runColumns";
import type { ViewField } from "./viewFields";
import type { ViewState } from "./viewState";

export interface ViewPage {
  readonly host: Host;
  readonly stage: Stage;
  readonly state: ViewState;
  change(change: Partial<ViewState>): void;
  /** All columns, by whose names the filter finds its fields. */
  readonly columns: readonly RunColumn[];
  readonly fields: readonly ViewField[];
  /** All runs that could be shown here: those that the filter leaves if the ranges of its axes are lifted. */
  readonly runs: readonly RunSummary[];
  /** Those that the filter leaves: what the table shows. */
  readonly matching: ReadonlySet<RunSummary>;
  readonly names: ReadonlyMap<string, string>;
  readonly filter: string;
  setFilter(text: string): void;
  readonly selected: ReadonlySet<string>;
  /** Selects a run in the table; `add` keeps the others. */
  select(run: string, add: boolean): void;
  open(runs: readonly string[]): void;
  /** On values of these runs that may not all be compared; with the letters of the table. */
  readonly marks: ProtocolMarks;
  readonly getSlot: (run: string) => number | undefined;
  readonly theme: ChartTheme;
  readonly width: number;
  readonly height: number;
}
