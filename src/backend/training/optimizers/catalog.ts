/** Every optimizer by its file's name. Written by `npm run generate`. */
import adamw from "./adamw";
import sgd from "./sgd";

export const optimizers = { adamw, sgd } as const;
