/** Every strategy by its file's name. Written by `npm run generate`. */
import type { AnyStrategy } from "./strategy";
import recursive from "./recursive";
import sequential from "./sequential";

export const strategies: Readonly<Record<string, AnyStrategy>> = { recursive, sequential };
