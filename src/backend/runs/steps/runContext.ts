/** A `RunBody` is what a run does; its `RunContext` is everything that it may use of its run. */
import type { MetricLine, RunPlan, RunRecord } from "../../../protocol/run";
import type { RunControl } from "../control/runControl";
import type { RunFolder } from "../folder/runFolder";

/** One line of metrics without its time, which the run's clock adds. Steps count over the whole run. */
export type MetricValues = Omit<MetricLine, "seconds">;

export type RunProgress = NonNullable<RunRecord["progress"]>;

/** Facts that are known only during a run. */
export type RunFacts = Pick<
  RunRecord,
  "device" | "dataHash" | "dataTitle" | "floor" | "counts" | "versions" | "losses" | "halving"
>;

export interface RunContext {
  readonly folder: RunFolder;
  readonly plan: RunPlan;
  /** Absolute: the base of the plan's paths. */
  readonly workspace: string;
  /**
   * Whether the run was interrupted in this folder: the body resumes from its last checkpoint and calls `rewind` with
   * its step.
   */
  readonly resumed: boolean;
  /** Whether the user started the run to publish what `export.push_to` names. */
  readonly push: boolean;
  readonly control: RunControl;
  /** Aborted by a stop request. Throwing `cancelled` (or the signal's reason) then ends the run as stopped. */
  readonly signal: AbortSignal;
  metric(line: MetricValues): void;
  /**
   * Drops the metrics after `step`, which will be written again; -1 drops all. Later lines are appended after it.
   * Returns the remaining lines.
   */
  rewind(step: number): readonly MetricLine[];
  /** The number of metric lines so far: a position in the history for `truncate`. */
  readonly lines: number;
  /** Drops the metrics after the first `lines`, which will be written again. */
  truncate(lines: number): void;
  /** Flushes all metrics to the disk: a checkpoint must never exist without the history before it. */
  sync(): void;
  /** Writes a line to log.txt. */
  log(message: string): void;
  /** Writes a line that a reader must not miss: to log.txt, run.json and the terminal. */
  notice(message: string): void;
  progress(progress: RunProgress): void;
  describe(facts: RunFacts): void;
  stepFolder(index: number, action: string): string;
}

/**
 * Resolves when everything is done, or soon after `control.checkpoint` has returned "stop". Throws a WorkbenchError
 * if it can't continue.
 */
export type RunBody = (context: RunContext) => Promise<void>;

/** A body and what the run process needs to know about it. */
export interface RunProgram {
  readonly body: RunBody;
  /** The device that a plan's `device` resolves to: runs on the same device queue behind each other. */
  resolveDevice?(device: string): Promise<string>;
  readonly versions?: Readonly<Record<string, string>>;
}
