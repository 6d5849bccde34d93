/** Every method by its file's name. Written by `npm run generate`. */
import type { AnyMethod } from "./method";
import dwc from "./dwc";
import fpp from "./fpp";
import irc from "./irc";
import magnitude from "./magnitude";

export const methods: Readonly<Record<string, AnyMethod>> = { dwc, fpp, irc, magnitude };
