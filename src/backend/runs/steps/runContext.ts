/** What a run does is a `RunBody`; everything that it may use of its run is the `RunContext`. */
import type { MetricLine, RunPlan, RunRecord } from "../../../protocol/run";
import type { RunControl } from "../control/runControl";
import type { RunFolder } from "../folder/runFolder";

/** One line of metrics without its time, which the run's own clock adds. Steps count over the whole run. */
export type MetricValues = Omit<MetricLine, "seconds">;

export type RunProgress = NonNullable<RunRecord["progress"]>;

/** What turns out only while a run goes. */
export type RunFacts = Pick<RunRecord, "device" | "dataHash" | "floor" | "counts" | "versions">;

export interface RunContext {
  readonly folder: RunFolder;
  readonly plan: RunPlan;
  /** Absolute: what the plan's paths are relative to. */
  readonly workspace: string;
  /** The run has been in this folder before: go on from its last checkpoint, and say with `rewind` from which step. */
  readonly resumed: boolean;
  readonly control: RunControl;
  /** Aborted when somebody asks to stop. Throwing `cancelled` (or the signal's reason) then ends the run as stopped. */
  readonly signal: AbortSignal;
  metric(line: MetricValues): void;
  /**
   * Drops the metrics after `step`, which will come again; -1 drops all. Every later line stands after it. Gives the
   * lines that stay.
   */
  rewind(step: number): readonly MetricLine[];
  /** Lines of metrics so far: a place in the history, to come back to with `truncate`. */
  readonly lines: number;
  /** Drops the metrics after the first `lines`, which will come again. */
  truncate(lines: number): void;
  /** Waits until the disk has all metrics: a checkpoint must never be there without the history before it. */
  sync(): void;
  /** A line for log.txt. */
  log(message: string): void;
  /** A line that a reader must not miss: log.txt, run.json, terminal. */
  notice(message: string): void;
  progress(progress: RunProgress): void;
  describe(facts: RunFacts): void;
  stepFolder(index: number, action: string): string;
}

/**
 * Returns when everything is done, or soon after `control.checkpoint` has answered "stop"; throws a WorkbenchError
 * when it can't go on.
 */
export type RunBody = (context: RunContext) => Promise<void>;

/** A body with what the run process needs to know beside it. */
export interface RunProgram {
  readonly body: RunBody;
  /** The device that a plan's `device` will mean, `auto` resolved: runs of equal answers queue behind one another. */
  resolveDevice?(device: string): Promise<string>;
  readonly versions?: Readonly<Record<string, string>>;
}
