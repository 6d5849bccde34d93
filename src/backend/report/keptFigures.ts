/** Which tokens each cache policy kept of a text, from the evaluations of runs. */
import { createKeptPicture } from "../../pictures/keptPicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import { parseKeptTokens } from "../evaluation/keptTokens";
import type { Figure } from "./html";
import { readLastDetails } from "./lastDetails";
import { toFileName } from "./figures";

const width = 760;

/** One run of each line, and the last evaluation of each. */
export function createKeptFigures(runs: readonly ShrinkRun[]): Figure[] {
  return selectRepresentatives(runs).flatMap(({ name, run }): Figure[] => {
    const found = readLastDetails(run, "cache", parseKeptTokens);
    if (found === undefined) return [];
    const { policy, kept } = found;
    const picture = createKeptPicture({ title: `${name}: ${policy}`, ...kept, theme, width });
    const lines = kept.layers.flatMap((heads, layer) =>
      heads.map((positions, head) => [String(layer), String(head), positions.join(" ")]),
    );
    return [{ name: `kept-${toFileName(name)}`, picture, lines: [["layer", "head", "positions"], ...lines] }];
  });
}
