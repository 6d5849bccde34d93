/**
 * One action of a run: receives the current model and returns the resulting one. One file per action, in `actions/`.
 */
import type { Step } from "../../../protocol/run";
import type { RunContext } from "./runContext";
import type { Workpiece, Workshop } from "./workshop";

export interface ActionCall {
  readonly step: Step;
  readonly workpiece: Workpiece;
  readonly workshop: Workshop;
  /** The folder for the action's files. */
  readonly folder: string;
  /** Whether an earlier attempt in this run was interrupted. */
  readonly isRetry: boolean;
  /** Lines of the history before the action. */
  readonly lines: number;
}

export interface Action {
  /** Whether an interrupted attempt left a state to resume from; without this the action restarts. */
  canResume?(context: RunContext, workpiece: Workpiece): boolean;
  /** Files of the step's folder that an attempt which resumes continues; all others are removed. */
  readonly continuedFiles?: readonly string[];
  /** Files of the step's folder that save time for an attempt which restarts; they are removed once the step is done. */
  readonly partialFiles?: readonly string[];
  /** Whether its result depends on more than its key, such as the run itself, so that it is never reused from another run. */
  isRunSpecific?(step: Step): boolean;
  /**
   * Returns the same workpiece if the model is unchanged; a new one has its checkpoint. Undefined if it was stopped
   * before it was done; everything needed to resume is on the disk then.
   */
  perform(call: ActionCall): Promise<Workpiece | undefined>;
}
