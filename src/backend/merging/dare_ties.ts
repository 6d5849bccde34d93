/**
 * Drops values of each task vector at random, rescales the others, and adds those whose sign is elected (DARE with TIES; Yu et
 * al. 2023, arXiv 2311.03099, section 3).
 */
import { defineRandomMerge } from "./taskVectors";

export default defineRandomMerge("DARE with TIES", true, [
  {
    models: [
      { model: "other", weight: 0.5 },
      { model: "other", density: 0.9 },
    ],
    density: 0.3,
  },
  { models: [{ model: "other" }], rescale: "none", normalize: true },
]);
