/** One action of a run: takes the model as it stands and hands on the model as it is then. One file an action, in `actions/`. */
import type { Step } from "../../../protocol/run";
import type { RunContext } from "./runContext";
import type { Workpiece, Workshop } from "./workshop";

export interface ActionCall {
  readonly step: Step;
  readonly workpiece: Workpiece;
  readonly workshop: Workshop;
  /** Where the action's files go. */
  readonly folder: string;
  /** An earlier attempt in this run was interrupted. */
  readonly again: boolean;
  /** Lines of the history before the action. */
  readonly lines: number;
}

export interface Action {
  /** Whether an interrupted attempt has left something to go on from; without this it begins again. */
  goesOn?(context: RunContext, workpiece: Workpiece): boolean;
  /** It speaks of the run itself, so no other run can have done it. */
  readonly ownToRun?: boolean;
  /**
   * The same workpiece where the model is left as it is; a new one has its checkpoint. Undefined when it was asked to stop
   * before it was done; everything it needs to go on is on the disk then.
   */
  perform(call: ActionCall): Promise<Workpiece | undefined>;
}
