/**
 * Drops values of each task vector at random, rescales the others, and adds those whose sign is elected (DARE with TIES; Yu et
 * al. 2023, arXiv 2311.03099, section 3).
 */
import * as z from "zod";
import { defineMergeMethod } from "./mergeMethod";
import {
  createTaskOptions,
  densityOption,
  mergeAtRandom,
  rescaleOption,
  sparseTaskModels,
} from "./taskVectors";

const optionsSchema = z.strictObject({
  models: sparseTaskModels,
  density: densityOption,
  rescale: rescaleOption,
  ...createTaskOptions({ normalize: false }),
});

export default defineMergeMethod<z.output<typeof optionsSchema>>({
  title: "DARE with TIES",
  paper:
    "Yu et al.: Language models are super Mario, absorbing abilities from homologous models as a free lunch, 2023",
  options: optionsSchema,
  samples: [
    {
      models: [
        { model: "other", weight: 0.5 },
        { model: "other", density: 0.9 },
      ],
      density: 0.3,
    },
    { models: [{ model: "other" }], rescale: "none", normalize: true },
  ],
  models: ({ models }) => models.map(({ model }) => model),
  merge: mergeAtRandom(true),
});
