/**
 * Tells new lines of the runs that somebody watches. However a history comes to be read, its new lines are told at once, so
 * that whatever is answered from it afterwards never knows lines that were not told.
 */
import type { Events } from "../../../protocol/backend";
import { isActive } from "../../../protocol/run";
import { toWorkbenchError } from "../../../protocol/errors";
import type { MetricHistories } from "./metricHistories";
import type { Service } from "../service";

const pollMilliseconds = 300;
/** Lines of one message, so that none of them grows without bound after a laptop's sleep. */
const mostLines = 5000;

/** How far a watched history has been told. */
interface Told {
  generation: number;
  lines: number;
  /** Nothing more will come: the run had ended when its history was read last. */
  settled: boolean;
}

export class MetricWatch {
  private readonly watchers = new Map<string, ReadonlySet<string>>();
  private readonly told = new Map<string, Told>();
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly service: Service,
    private readonly histories: MetricHistories,
  ) {}

  /** Whether its history grows or is looked at. */
  needs(run: string): boolean {
    return [...this.watchers.values()].some((runs) => runs.has(run)) || this.active().has(run);
  }

  /** From now on the watcher is told of these runs alone; gives how many lines of each have been told by now. */
  async watch(
    watcher: string,
    runs: readonly string[],
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, number>>> {
    for (const run of runs) this.service.runs.find(run);
    if (runs.length === 0) this.watchers.delete(watcher);
    else this.watchers.set(watcher, new Set(runs));
    this.forgetUnwatched();
    const lines: Record<string, number> = {};
    try {
      for (const run of runs) lines[run] = await this.follow(run, signal);
    } finally {
      // The watcher may have changed its mind meanwhile.
      this.forgetUnwatched();
      this.schedule();
    }
    return lines;
  }

  private async follow(run: string, signal: AbortSignal | undefined): Promise<number> {
    const history = this.histories.of(run);
    await history.refresh(signal);
    const known = this.told.get(run);
    if (known === undefined) {
      const { generation, columns } = history;
      this.told.set(run, { generation, lines: columns.rows, settled: false });
    } else this.tell(run);
    return history.columns.rows;
  }

  /** To be called whenever the history of a run has been read on. */
  tell(run: string): void {
    const told = this.told.get(run);
    if (told === undefined) return;
    const { columns, generation } = this.histories.of(run);
    if (generation !== told.generation) {
      told.generation = generation;
      told.lines = columns.rows;
      this.service.emit("metricsAppended", { run, from: 0, lines: [], restarted: true });
    }
    while (told.lines < columns.rows) {
      const to = Math.min(columns.rows, told.lines + mostLines);
      const lines = columns.lines(told.lines, to);
      const event: Events["metricsAppended"] = { run, from: told.lines, lines, restarted: false };
      told.lines = to;
      this.service.emit("metricsAppended", event);
    }
  }

  private forgetUnwatched(): void {
    const watched = new Set([...this.watchers.values()].flatMap((runs) => [...runs]));
    for (const run of this.told.keys()) if (!watched.has(run)) this.told.delete(run);
  }

  private schedule(): void {
    if (this.timer !== undefined || this.told.size === 0) return;
    this.timer = setTimeout(() => {
      void this.poll().finally(() => {
        this.timer = undefined;
        this.schedule();
      });
    }, pollMilliseconds);
    this.timer.unref();
  }

  private async poll(): Promise<void> {
    // The states first: lines that came before a final one are then all read.
    const active = this.active();
    for (const [run, told] of this.told) {
      const ended = !active.has(run);
      if (ended && told.settled) continue;
      try {
        await this.histories.of(run).refresh();
        this.tell(run);
        told.settled = ended;
      } catch (thrown) {
        // Told once: a run whose history can't be read is left alone until somebody watches it anew.
        this.told.delete(run);
        const message = `The metrics of ${run} can't be followed: ${toWorkbenchError(thrown).message}`;
        this.service.emit("logged", { level: "warning", message });
      }
    }
  }

  /** A run that is gone from the index is over, too. */
  private active(): ReadonlySet<string> {
    const runs = this.service.runs.summaries();
    const active = runs.filter(isActive);
    return new Set(active.map(({ folder }) => folder));
  }
}
