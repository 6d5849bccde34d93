/** Every named model by its file's name. Written by `npm run generate`. */
import type { NamedModel } from "../namedModel";
import stories260k from "./stories260k";

export const namedModels: Readonly<Record<string, NamedModel>> = { stories260k };
