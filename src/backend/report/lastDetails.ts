/** Results of the last evaluation of a run that has them. */
import { existsSync } from "node:fs";
import { readBounded } from "../runs/folder/boundedFile";
import { resolveInside } from "../runs/folder/insideFolder";

const maxBytes = 8 * 2 ** 20;
const maxSteps = 100;

/** `parse` returns undefined for results of another form. */
export function readLastDetails<T>(
  run: string,
  metric: string,
  parse: (details: unknown) => T | undefined,
): T | undefined {
  for (let index = maxSteps - 1; index >= 0; index--) {
    const path = resolveInside(run, `steps/${index}-evaluate/eval.json`);
    if (!existsSync(path)) continue;
    const results = JSON.parse(readBounded(path, maxBytes)) as Readonly<
      Record<string, { details?: unknown } | undefined>
    >;
    const found = parse(results[metric]?.details);
    if (found !== undefined) return found;
  }
  return undefined;
}
