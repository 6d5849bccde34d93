/** What a train step trains: all weights, adapters or exits. */
import { type AdaptedTraining, planAdapters } from "../../compression/adapters";
import { refuseExits, withExits } from "../../models/exits";
import type { ModelShape } from "../../models/model";
import type { TrainOptions } from "../../../schema/experiment";
import { createExitTrainee } from "../../training/exits";
import { createTrainee, type Teacher, type Trainee } from "../../training/trainee";

type Options = Pick<TrainOptions, "lora" | "exits" | "preference">;

/** The model during and after a train step. Throws, with the reason, if the model cannot be trained so. */
export function planTraining(shape: ModelShape, { lora, exits }: Options): AdaptedTraining {
  if (exits === undefined) {
    refuseExits(shape, "A train step without exits");
    return planAdapters(shape, lora);
  }
  const during = withExits(shape, exits.layers);
  return { during, after: during };
}

export function createStepTrainee(
  shape: ModelShape,
  { exits, preference }: Options,
  teacher?: Teacher,
): Trainee {
  return exits === undefined
    ? { ...createTrainee(shape, teacher), preference }
    : createExitTrainee(shape, exits);
}
