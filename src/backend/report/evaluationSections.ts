/** The sections of a report with figures of evaluations. */
import { createFigurePicture } from "../../pictures/figurePicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import { evaluationFigures } from "./evaluationFigures";
import { toFileName } from "./figures";
import type { Figure } from "./html";
import { readLastDetails } from "./lastDetails";

/** One run of each line, and the last evaluation of each. */
export function createEvaluationSections(
  runs: readonly ShrinkRun[],
): readonly (readonly [title: string, figures: readonly Figure[]])[] {
  return evaluationFigures.map(({ id, metric, title, create }) => [
    title,
    selectRepresentatives(runs).flatMap(({ name, run }): Figure[] => {
      const figure = readLastDetails(run, metric, create);
      if (figure === undefined) return [];
      const { caption, data, lines } = figure;
      const picture = createFigurePicture(data, { title: `${name}: ${caption}`, theme });
      return [{ name: `${id}-${toFileName(name)}`, picture, lines: lines() }];
    }),
  ]);
}
