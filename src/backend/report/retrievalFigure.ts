/** Right answers of retrieval by depth and length. */
import { arrangeCells, parseRetrieval } from "../evaluation/retrievalCells";
import type { EvaluationFigure } from "./evaluationFigure";

const figure: EvaluationFigure = {
  id: "retrieval",
  metric: "retrieval",
  title: "Retrieval by depth and length",
  create: (details) => {
    const cells = parseRetrieval(details);
    if (cells === undefined) return undefined;
    const { lengths, depths, find } = arrangeCells(cells);
    const grid = depths.flatMap((depth) => lengths.map((length) => find(length, depth) ?? null));
    const sum = (key: "correct" | "samples") => cells.reduce((total, cell) => total + cell[key], 0);
    const header = ["length", "depth", "correct", "samples"] as const;
    return {
      caption: `${sum("correct")} of ${sum("samples")} right`,
      data: {
        kind: "heatMap",
        axes: ["depth", "tokens of the prompt"],
        rowNames: depths.map(String),
        columnNames: lengths.map(String),
        shares: grid.map((cell) => (cell === null ? null : cell.correct / cell.samples)),
        notes: grid.map((cell) => (cell === null ? null : `${cell.correct} of ${cell.samples}`)),
      },
      lines: () => [header, ...cells.map((cell) => header.map((key) => String(cell[key])))],
    };
  },
};

export default figure;
