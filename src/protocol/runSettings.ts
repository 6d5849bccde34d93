/**
 * The settings in which the runs differ, read from the service: when a view, a table or a filter needs them, and again when
 * there are new runs. A summary of a run has only what a sweep assigns.
 */
import type { RunRequests, RunSummary } from "./service/runs";
import type { Settings } from "./runFields";

/** A window's or a page's connection. */
interface Source {
  request<K extends "runs.list" | "runs.differences">(
    name: K,
    params: RunRequests[K]["params"],
  ): Promise<RunRequests[K]["result"]>;
}

export class RunSettings {
  values: Settings = new Map();
  private isRequested = false;
  private isReading = false;
  private isOutdated = false;

  constructor(
    private readonly source: Source,
    private readonly attempt: (work: () => Promise<unknown>) => void,
    private readonly onRead: () => void,
  ) {}

  /** Resolves with the names of the settings. */
  async read(): Promise<readonly string[]> {
    this.isRequested = true;
    const runs = (await this.source.request("runs.list", {})).runs.map(({ folder }) => folder);
    const { keys, values } = await this.source.request("runs.differences", { runs });
    this.values = new Map(
      runs.map((run, i) => [run, Object.fromEntries(keys.map((key, j) => [key, values[i]?.[j] ?? null]))]),
    );
    this.onRead();
    return keys;
  }

  /** A filter with a problem may name a setting that is not known yet. */
  readFor(problem: string | undefined): void {
    if (problem === undefined || this.isRequested) return;
    this.isRequested = true;
    this.attempt(() => this.read());
  }

  /** After a change of the runs; a run of which nothing is known is read with all others, since what differs may change. */
  update(changed: readonly Pick<RunSummary, "folder">[]): void {
    if (!this.isRequested || changed.every(({ folder }) => this.values.has(folder))) return;
    this.isOutdated = true;
    if (this.isReading) return;
    this.isReading = true;
    this.attempt(async () => {
      try {
        while (this.isOutdated) {
          this.isOutdated = false;
          await this.read();
        }
      } finally {
        this.isReading = false;
      }
    });
  }
}
