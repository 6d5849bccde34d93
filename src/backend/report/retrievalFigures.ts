/** Heat maps of retrieval by depth and length, from the evaluations of runs. */
import { createHeatMapPicture } from "../../pictures/heatMapPicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import { arrangeCells, parseRetrieval } from "../evaluation/retrievalCells";
import { toFileName } from "./figures";
import type { Figure } from "./html";
import { readLastDetails } from "./lastDetails";

const width = 420;

/** One run of each line, and the last evaluation of each. */
export function createRetrievalFigures(runs: readonly ShrinkRun[]): Figure[] {
  return selectRepresentatives(runs).flatMap(({ name, run }): Figure[] => {
    const cells = readLastDetails(run, "retrieval", parseRetrieval);
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
        name: `retrieval-${toFileName(name)}`,
        picture,
        lines: [header, ...cells.map((cell) => header.map((key) => String(cell[key])))],
      },
    ];
  });
}
