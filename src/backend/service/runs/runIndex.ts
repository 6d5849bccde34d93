/** The runs of the opened folders, kept current without reading the history again. */
import type { FoundRun } from "../../../protocol/run";
import type { RunSummary } from "../../../protocol/service/runs";
import type { Unsubscribe } from "../../../protocol/connection";

/** The changes that listeners receive; both lists may be empty. */
export interface RunChanges {
  readonly changed: readonly RunSummary[];
  readonly removed: readonly string[];
}

export interface RunIndex {
  /** In no particular order. */
  summaries(): readonly RunSummary[];
  /**
   * Throws `not-found` for a folder that is not a run of the window: every request that names a run passes through
   * here.
   * The content of the folder may come from anywhere: build paths in it with `resolveInside` and read small files with
   * `readBounded`; neither follows links.
   */
  find(run: string): { readonly found: FoundRun; readonly summary: RunSummary };
  /** Reads one run again now. Also finds a run folder that has just been created. */
  refresh(run: string): Promise<RunSummary>;
  /** Looks now for runs that were added or removed. */
  rescan(): Promise<void>;
  /** Also looks for runs there from now on. */
  include(workspace: string): Promise<void>;
  /** The real paths of the existing `.lathe/runs` folders. */
  readonly runsFolders: readonly string[];
  onChange(listener: (changes: RunChanges) => void): Unsubscribe;
}
