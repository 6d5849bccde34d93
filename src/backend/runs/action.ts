/** One action of a run: takes the model as it stands and hands on the model as it is then. One file an action, in `actions/`. */
import type { Step } from "../../protocol/run";
import type { Workpiece, Workshop } from "./workshop";

export interface ActionCall {
  readonly step: Step;
  readonly workpiece: Workpiece;
  readonly workshop: Workshop;
  /** Where the action's files go. */
  readonly folder: string;
}

export interface Action {
  /** The action changes the model, so its result is kept as a checkpoint and can be taken over by later runs. */
  readonly changesModel: boolean;
  /** Optimizer steps that the action adds to the run's count. */
  steps(call: Omit<ActionCall, "folder">): number;
  /** Undefined when it was asked to stop before it was done; everything it needs to go on is on the disk then. */
  perform(call: ActionCall): Promise<Workpiece | undefined>;
}
