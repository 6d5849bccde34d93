/** Every tree of the side panel by its file's name. Written by `npm run generate`. */
import type { View } from "../view";
import runs from "./runs";

export const views: Readonly<Record<string, View>> = { runs };
