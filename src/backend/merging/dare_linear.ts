/** Drops values of each task vector at random, rescales the others and adds them (DARE; Yu et al. 2023, arXiv 2311.03099, section 3). */
import { defineRandomMerge } from "./taskVectors";

export default defineRandomMerge("DARE", false, [
  { models: [{ model: "other", weight: 0.5 }], density: 0.3 },
  { models: [{ model: "other" }], rescale: "norm" },
]);
