/** The runs of the opened folders, kept current without reading the history again. */
import type { FoundRun } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import type { Unsubscribe } from "../../../protocol/connection";

/** What the index tells whoever listens; both lists may be empty. */
export interface RunChanges {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
}

export interface RunIndex {
  /** In no order. */
  summaries(): readonly RunSummary[];
  /**
   * Throws `not-found` for a folder that is none of the window's runs: the one gate of every request that names a run.
   * What lies in the folder may come from anywhere: paths in it are made by `insideFolder`, small files read by
   * `readBounded`, which follow no link.
   */
  find(run: string): { readonly found: FoundRun; readonly summary: RunSummary };
  /** Reads one run anew, now. A run folder that has just been made is found too. */
  refresh(run: string): Promise<RunSummary>;
  /** Looks now for runs that have come or gone. */
  rescan(): Promise<void>;
  /** Looks for runs there too, from now on. */
  include(workspace: string): Promise<void>;
  /** The real paths of the `.lathe/runs` folders that are there. */
  readonly runsFolders: readonly string[];
  onChange(listener: (changes: RunChanges) => void): Unsubscribe;
}
