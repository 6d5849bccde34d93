/**
 * Reports the new points of watched series. Whatever causes a history to be read, its new lines are reported at once,
 * so that no later answer contains lines that were not reported.
 */
import { isActive } from "../../../protocol/run";
import { toWorkbenchError } from "../../../protocol/errors";
import type { SeriesName } from "../../../protocol/service/metrics";
import type { MetricHistories } from "./metricHistories";
import { selectIncrement } from "./metricSeries";
import type { Service } from "../service";

const pollMilliseconds = 300;
/** Most lines of one message, so that messages stay bounded after a laptop wakes up. */
const maxLines = 5000;

/** How much of a watched history has been reported. */
interface Progress {
  generation: number;
  lines: number;
  /** No more lines will come: the run had ended when its history was last read. */
  settled: boolean;
}

export class MetricWatch {
  private readonly watchers = new Map<string, readonly SeriesName[]>();
  private readonly progress = new Map<string, Progress>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly service: Service,
    private readonly histories: MetricHistories,
  ) {}

  /** Whether the history grows or is displayed. */
  needs(run: string): boolean {
    return this.watchedSeries(run).length > 0 || this.active().has(run);
  }

  /** Reports only these series from now on. Returns how many lines of each run have been reported so far. */
  async watch(
    watcher: string,
    series: readonly SeriesName[],
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, number>>> {
    const runs = new Set(series.map(({ run }) => run));
    for (const run of runs) this.service.runs.find(run);
    if (series.length === 0) this.watchers.delete(watcher);
    else this.watchers.set(watcher, series);
    this.forgetUnwatched();
    const lines: Record<string, number> = {};
    try {
      for (const run of runs) lines[run] = await this.follow(run, signal);
    } finally {
      // The watcher may have changed its selection meanwhile.
      this.forgetUnwatched();
      this.schedule();
    }
    return lines;
  }

  private async follow(run: string, signal: AbortSignal | undefined): Promise<number> {
    const history = this.histories.of(run);
    await history.refresh(signal);
    const reported = this.progress.get(run);
    if (reported === undefined) {
      const { generation, columns } = history;
      this.progress.set(run, { generation, lines: columns.rows, settled: false });
    } else this.report(run);
    return history.columns.rows;
  }

  /** Call this whenever the history of a run has been read further. */
  report(run: string): void {
    const reported = this.progress.get(run);
    if (reported === undefined) return;
    const { columns, generation } = this.histories.of(run);
    if (generation !== reported.generation) {
      reported.generation = generation;
      reported.lines = columns.rows;
      this.service.emit("metricsAppended", { run, from: 0, series: [], restarted: true });
    }
    if (reported.lines === columns.rows) return;
    const names = this.watchedSeries(run);
    while (reported.lines < columns.rows) {
      const from = reported.lines;
      const to = Math.min(columns.rows, from + maxLines);
      const series = names.map((name) => selectIncrement(columns, name, { from, to }));
      reported.lines = to;
      this.service.emit("metricsAppended", { run, from, series, restarted: false });
    }
  }

  /** Each series of a run once, even if several watchers follow it. */
  private watchedSeries(run: string): readonly SeriesName[] {
    const names = [...this.watchers.values()].flat().filter((name) => name.run === run);
    return [...new Map(names.map((name) => [`${name.axis} ${name.metric}`, name])).values()];
  }

  private forgetUnwatched(): void {
    for (const run of this.progress.keys())
      if (this.watchedSeries(run).length === 0) this.progress.delete(run);
  }

  private schedule(): void {
    if (this.timer !== undefined || this.progress.size === 0) return;
    this.timer = setTimeout(() => {
      void this.poll().finally(() => {
        this.timer = undefined;
        this.schedule();
      });
    }, pollMilliseconds);
    this.timer.unref();
  }

  private async poll(): Promise<void> {
    // Read the states first: all lines written before a final state are then read.
    const active = this.active();
    for (const [run, reported] of this.progress) {
      const ended = !active.has(run);
      if (ended && reported.settled) continue;
      try {
        await this.histories.of(run).refresh();
        this.report(run);
        reported.settled = ended;
      } catch (thrown) {
        // Reported once: an unreadable history is ignored until its run is watched again.
        this.progress.delete(run);
        const message = `The metrics of ${run} can't be followed: ${toWorkbenchError(thrown).message}`;
        this.service.emit("logged", { level: "warning", message });
      }
    }
  }

  /** A run that is no longer in the index has ended as well. */
  private active(): ReadonlySet<string> {
    const runs = this.service.runs.summaries();
    const active = runs.filter(isActive);
    return new Set(active.map(({ folder }) => folder));
  }
}
