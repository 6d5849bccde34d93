/** The runs of the opened folders, kept current without reading the history again. */
import type { FoundRun } from "../../protocol/run";
import type { RunSummary } from "../../protocol/service/runs";
import type { Unsubscribe } from "../../protocol/connection";

/** What the index tells whoever listens; both lists may be empty. */
export interface RunChanges {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
}

export interface RunIndex {
  summaries(): readonly RunSummary[];
  /** Throws `not-found` for a folder that is none of the window's runs: the one gate of every request that names a run. */
  find(run: string): { readonly found: FoundRun; readonly summary: RunSummary };
  /** Reads one run anew, now. */
  refresh(run: string): Promise<RunSummary>;
  onChange(listener: (changes: RunChanges) => void): Unsubscribe;
}
