/** Adds what other models learned since the current one (Ilharco et al. 2022, arXiv 2212.04089, section 2). */
import * as z from "zod";
import { defineMergeMethod } from "./mergeMethod";
import { createTaskOptions, mergeTaskVectors, taskModels } from "./taskVectors";

const optionsSchema = z.strictObject({ models: taskModels, ...createTaskOptions({ normalize: false }) });

export default defineMergeMethod<z.output<typeof optionsSchema>>({
  title: "Task arithmetic",
  paper: "Ilharco et al.: Editing models with task arithmetic, 2022",
  options: optionsSchema,
  samples: [
    { models: [{ model: "other", weight: 0.5 }] },
    { models: [{ model: "other", weight: -1 }], lambda: 0.3 },
  ],
  models: ({ models }) => models.map(({ model }) => model),
  merge: (current, others, options, place) =>
    mergeTaskVectors(current, others, options, place, { electsSigns: false }),
});
