/** A model's shape as what training needs of it. */
import { forward, type ModelShape, parametersOf } from "../models/model";
import type { Trainee } from "./trainStep";

export function traineeOf(shape: ModelShape): Trainee {
  return {
    parameters: parametersOf(shape),
    forward: (weights, inputs, options) => forward(shape, weights, inputs, options),
  };
}
