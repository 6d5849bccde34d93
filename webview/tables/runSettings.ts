/** The settings in which the runs differ: read when a view or the table asks for them, and again when there are new runs. */
import type { Host } from "../../src/protocol/page";
import type { Settings } from "../../src/protocol/runFields";
import type { RunSummary } from "../../src/protocol/service/runs";

export class RunSettings {
  values: Settings = new Map();
  private isRequested = false;
  private reading: Promise<void> | undefined;
  private isOutdated = false;

  constructor(
    private readonly host: Pick<Host, "request">,
    private readonly attempt: (work: () => Promise<unknown>) => void,
    private readonly onRead: () => void,
    /** They are columns of the table, not only axes of a view. */
    public areColumns: boolean,
  ) {}

  /** Resolves with the names of the settings. */
  async read(): Promise<readonly string[]> {
    this.isRequested = true;
    const runs = (await this.host.request("runs.list", {})).runs.map(({ folder }) => folder);
    const { keys, values } = await this.host.request("runs.differences", { runs });
    this.values = new Map(
      runs.map((run, i) => [run, Object.fromEntries(keys.map((key, j) => [key, values[i]?.[j] ?? null]))]),
    );
    this.onRead();
    return keys;
  }

  /** After a change of the runs; a run of which nothing is known is read with all others, since what differs may change. */
  update(changed: readonly RunSummary[]): void {
    if (!this.isRequested || changed.every(({ folder }) => this.values.has(folder))) return;
    this.isOutdated = true;
    if (this.reading !== undefined) return;
    this.attempt(async () => {
      while (this.isOutdated) {
        this.isOutdated = false;
        this.reading = this.read().then(() => undefined);
        await this.reading.finally(() => (this.reading = undefined));
      }
    });
  }
}
