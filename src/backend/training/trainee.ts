/** A model's shape as what training needs of it. */
import { dimensionsOf, hiddenStates, logits, type ModelShape, parametersOf } from "../models/model";
import type { Teacher } from "./distillation";
import type { Trainee } from "./trainStep";

export function traineeOf(shape: ModelShape, teacher?: Teacher): Trainee {
  return {
    parameters: parametersOf(shape),
    dimensions: dimensionsOf(shape),
    hidden: (weights, inputs, options) => hiddenStates(shape, weights, inputs, options),
    logits: (weights, hidden) => logits(shape, weights, hidden),
    teacher,
  };
}
