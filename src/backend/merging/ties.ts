/**
 * Keeps the largest values of each task vector, elects a sign for each value by the weighted sum, and averages those that agree
 * (TIES: trim, elect sign, merge; Yadav et al. 2023, arXiv 2306.01708, section 4).
 */
import * as z from "zod";
import { defineMergeMethod } from "./mergeMethod";
import {
  createTaskOptions,
  densityOption,
  findDensity,
  keepLargest,
  mergeTaskVectors,
  sparseTaskModels,
} from "./taskVectors";

const optionsSchema = z.strictObject({
  models: sparseTaskModels,
  density: densityOption,
  ...createTaskOptions({ normalize: true }),
});

export default defineMergeMethod<z.output<typeof optionsSchema>>({
  title: "TIES",
  paper: "Yadav et al.: TIES-Merging, resolving interference when merging models, 2023",
  options: optionsSchema,
  samples: [
    { models: [{ model: "other" }], density: 0.2 },
    { models: [{ model: "other", weight: 0.3, density: [1, 0.5] }, { model: "other" }], lambda: 0.7 },
  ],
  models: ({ models }) => models.map(({ model }) => model),
  merge: (current, others, options, place) =>
    mergeTaskVectors(current, others, options, place, {
      electsSigns: true,
      sparsify: (delta, model) => keepLargest(delta, findDensity(options, model, place)),
    }),
});
