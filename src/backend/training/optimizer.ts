/** Interface of an optimizer: slots for each parameter, scalars that change every step, and an update as graph operations. */
import type { TrainOptions } from "../../schema/experiment";
import type { Value } from "../graph/op";

export interface Update {
  readonly parameter: Value;
  /** Same order as `slots`. */
  readonly slots: readonly Value[];
}

export interface Optimizer {
  readonly title: string;
  /** Names of the state tensors of each parameter; they have its shape and start at zero. */
  readonly slots: readonly string[];
  /** Scalars of a step (counted from 1), computed on the host in double precision. */
  scalars(options: TrainOptions, step: number, learningRate: number): Readonly<Record<string, number>>;
  /** The next parameter and slots. `decay` is whether weight decay applies to this parameter. */
  update(call: {
    readonly parameter: Value;
    readonly gradient: Value;
    readonly slots: readonly Value[];
    readonly scalars: Readonly<Record<string, Value>>;
    readonly options: TrainOptions;
    readonly decay: boolean;
  }): Update;
}
