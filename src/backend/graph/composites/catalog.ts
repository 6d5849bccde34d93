/** Every composite operation, by file and by name. Written by `npm run generate`. */
import * as activations from "./activations";
import * as attention from "./attention";
import * as losses from "./losses";
import * as norms from "./norms";
import * as updates from "./updates";

export const composites = { activations, attention, losses, norms, updates } as const;
