/**
 * Raises each alert of a run once, and only for events that happen while this window is open. The run's state and
 * curve show earlier ones, so that reloading the window repeats nothing.
 */
import { readdirSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { isActive } from "../../../protocol/run";
import type { Alert, RunSummary } from "../../../protocol/service/runs";
import { toWorkbenchError } from "../../../protocol/errors";
import { resolveInside } from "../../runs/folder/insideFolder";
import { MetricsTail } from "../../runs/metrics/metricsReader";
import { type Finding, LossWatch, computeNeededBytes } from "./alerts";
import type { RunChanges, RunIndex } from "./runIndex";

export interface AlertListener {
  raise(alert: Alert): void;
  warn(message: string): void;
}

const pollMilliseconds = 1000;
const diskMilliseconds = 15_000;
/** How much of a long history is read to determine typical values. */
const historyBytes = 2 * 1024 * 1024;

export class AlertWatch implements Disposable {
  private readonly states = new Map<string, RunSummary["state"]>();
  private readonly watched = new Map<string, WatchedRun>();
  private readonly raised = new Set<string>();
  private readonly timer: NodeJS.Timeout;
  private readonly begunAt = new Date().toISOString();
  private diskAt = -Infinity;
  private polling = false;

  constructor(
    private readonly runs: RunIndex,
    private readonly listener: AlertListener,
  ) {
    runs.onChange((changes) => this.handleChanges(changes));
    this.timer = setInterval(() => void this.poll(), pollMilliseconds).unref();
  }

  /** Takes the current states of the runs as the baseline; changes from now on raise alerts. */
  begin(): void {
    for (const { folder, state } of this.runs.summaries())
      // A change of a known run may be about to be reported.
      if (!this.states.has(folder)) this.states.set(folder, state);
  }

  private handleChanges({ changed, removed }: RunChanges): void {
    for (const run of removed) {
      this.states.delete(run);
      this.watched.delete(run);
    }
    for (const summary of changed) {
      const before = this.states.get(summary.folder);
      this.states.set(summary.folder, summary.state);
      if (before === summary.state) continue;
      // A short run may have ended before it was first seen.
      const wasActive =
        before === undefined ? (summary.endedAt ?? "") > this.begunAt : isActive({ state: before });
      if (wasActive && !isActive(summary)) this.ended(summary);
      // Resumed: it may end again, and its numbers may break again.
      if (before !== undefined && !wasActive && isActive(summary)) this.forget(summary.folder);
    }
  }

  private forget(run: string): void {
    this.watched.delete(run);
    for (const key of this.raised) if (key.endsWith(` ${run}`)) this.raised.delete(key);
  }

  private ended(summary: RunSummary): void {
    const { state, failure, metrics } = summary;
    if (state === "done") {
      const source = metrics["eval/loss"] === undefined ? "a train" : "an eval";
      const loss = metrics["eval/loss"] ?? metrics["train/loss"];
      const last = loss === undefined ? "" : ` with ${source} loss of ${Number(loss.last.toPrecision(4))}`;
      this.raise(summary, { kind: "done", message: `Done${last}.` });
    } else if (state === "failed") {
      const kind = failure?.code === "diverged" ? "not-a-number" : "failed";
      this.raise(summary, {
        kind,
        message: failure?.message ?? "The run failed without reporting a reason.",
      });
    } else if (state === "interrupted") {
      const message =
        failure?.message ??
        "The process of the run has disappeared. Resume the run to continue from the last checkpoint.";
      this.raise(summary, { kind: "failed", message });
    }
  }

  private async poll(): Promise<void> {
    if (this.polling) return;
    this.polling = true;
    try {
      const running = this.runs.summaries().filter(({ state }) => state === "running");
      for (const summary of running) await this.readOn(summary);
      for (const run of this.watched.keys())
        if (!running.some(({ folder }) => folder === run)) this.watched.delete(run);
      if (performance.now() - this.diskAt > diskMilliseconds) await this.checkDisks(running);
    } catch (thrown) {
      this.listener.warn(toWorkbenchError(thrown).message);
    } finally {
      this.polling = false;
    }
  }

  private async readOn(summary: RunSummary): Promise<void> {
    const run = summary.folder;
    try {
      let watched = this.watched.get(run);
      if (watched === undefined) {
        this.watched.set(run, (watched = new WatchedRun(run)));
        await watched.next(); // These lines were written before the watch began.
        return;
      }
      for (const finding of await watched.next()) this.raise(summary, finding);
    } catch (thrown) {
      this.reportOnce(`The metrics of ${run} can't be watched: ${toWorkbenchError(thrown).message}`);
    }
  }

  private async checkDisks(running: readonly RunSummary[]): Promise<void> {
    this.diskAt = performance.now();
    for (const summary of running) {
      const place = dirname(summary.folder);
      const { bavail, bsize } = await statfs(place);
      const [free, needed] = [bavail * bsize, computeNeededBytes(summary.counts?.total.trainable)];
      if (free >= needed) continue;
      const message = `Only ${formatGibibytes(free)} are free in ${place}, and ${formatGibibytes(needed)} may be needed. Free some space: a run stops when the disk is full.`;
      this.raise(summary, { kind: "low-disk", message });
    }
  }

  private raise({ folder, name }: RunSummary, { kind, message }: Finding): void {
    const key = `${kind} ${folder}`;
    if (this.raised.has(key)) return;
    this.raised.add(key);
    this.listener.raise({ kind, run: folder, name, message });
  }

  private reportOnce(message: string): void {
    if (this.raised.has(message)) return;
    this.raised.add(message);
    this.listener.warn(message);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}

/** The recent part of a run's history that has been checked. */
class WatchedRun {
  private readonly tail: MetricsTail;
  private losses = new LossWatch();
  private steps = 0;

  constructor(private readonly folder: string) {
    const path = resolveInside(folder, "metrics.jsonl");
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    this.tail = new MetricsTail(path, Math.max(0, size - historyBytes));
  }

  async next(): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    for (let more = true; more;) {
      const chunk = await this.tail.next();
      more = chunk.more;
      // Count the steps after reading the lines, so that lines of an action that has begun meanwhile never count
      // toward the previous one.
      const steps = this.countSteps();
      if (chunk.restarted || steps !== this.steps) this.losses = new LossWatch();
      this.steps = steps;
      for (const line of chunk.lines) findings.push(...this.losses.add(line));
    }
    return findings;
  }

  private countSteps(): number {
    try {
      return readdirSync(resolveInside(this.folder, "steps")).length;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return 0;
      throw thrown;
    }
  }
}

function formatGibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
