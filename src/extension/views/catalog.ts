/** Every tree of the side panel by its file's name. Written by `npm run generate`. */
import type { View } from "../view";
import devices from "./devices";
import experiments from "./experiments";
import models from "./models";
import runs from "./runs";

export const views: Readonly<Record<string, View>> = { devices, experiments, models, runs };
