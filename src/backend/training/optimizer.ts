/** What an optimizer is: slots beside each parameter, scalars that change every step, and one update as graph operations. */
import type { TrainOptions } from "../../schema/experiment";
import type { Value } from "../graph/op";

export interface Update {
  readonly parameter: Value;
  /** Same order as `slots`. */
  readonly slots: readonly Value[];
}

export interface Optimizer {
  readonly title: string;
  /** Names of the tensors kept beside each parameter, of its shape, zero at the start. */
  readonly slots: readonly string[];
  /** Numbers of one step (counted from 1), worked out on the host in double precision and fed as scalars. */
  scalars(options: TrainOptions, step: number, learningRate: number): Readonly<Record<string, number>>;
  /** The next parameter and slots. `decay` says whether weight decay applies to this parameter. */
  update(call: {
    readonly parameter: Value;
    readonly gradient: Value;
    readonly slots: readonly Value[];
    readonly scalars: Readonly<Record<string, Value>>;
    readonly options: TrainOptions;
    readonly decay: boolean;
  }): Update;
}
