/** Every method by its file's name. Written by `npm run generate`. */
import type { AnyMethod } from "./method";
import magnitude from "./magnitude";

export const methods: Readonly<Record<string, AnyMethod>> = { magnitude };
