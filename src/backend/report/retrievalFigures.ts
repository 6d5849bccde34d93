/** Heat maps of retrieval by depth and length, from the evaluations of runs. */
import { existsSync } from "node:fs";
import { createHeatMapPicture } from "../../pictures/heatMapPicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import { arrangeCells, parseRetrieval } from "../evaluation/retrievalCells";
import { readBounded } from "../runs/folder/boundedFile";
import { resolveInside } from "../runs/folder/insideFolder";
import type { Figure } from "./html";

const width = 420;
const maxBytes = 8 * 2 ** 20;
const maxSteps = 100;

/** One run of each line, and the last evaluation of each. */
export function createRetrievalFigures(runs: readonly ShrinkRun[]): Figure[] {
  return selectRepresentatives(runs).flatMap(({ name, run }): Figure[] => {
    const cells = readLastRetrieval(run);
    if (cells === undefined) return [];
    const { lengths, depths, find } = arrangeCells(cells);
    const values = depths.flatMap((depth) =>
      lengths.map((length) => {
        const cell = find(length, depth);
        return cell === undefined ? null : cell.correct / cell.samples;
      }),
    );
    const picture = createHeatMapPicture({
      title: name,
      matrix: { rows: depths.length, columns: lengths.length, values },
      rowNames: depths.map(String),
      columnNames: lengths.map(String),
      axes: ["depth", "tokens of the prompt"],
      theme,
      width,
    });
    const header = ["length", "depth", "correct", "samples"] as const;
    return [
      {
        name: `retrieval-${name.replace(/[^\w.]+/g, "-").replace(/-+$/, "")}`,
        picture,
        lines: [header, ...cells.map((cell) => header.map((key) => String(cell[key])))],
      },
    ];
  });
}

function readLastRetrieval(run: string) {
  for (let index = maxSteps - 1; index >= 0; index--) {
    const path = resolveInside(run, `steps/${index}-evaluate/eval.json`);
    if (!existsSync(path)) continue;
    const { retrieval } = JSON.parse(readBounded(path, maxBytes)) as { retrieval?: { details?: unknown } };
    const cells = parseRetrieval(retrieval?.details);
    if (cells !== undefined) return cells;
  }
  return undefined;
}
