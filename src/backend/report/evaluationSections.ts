/** The sections of a report with figures of evaluations. */
import { createFigurePicture } from "../../pictures/figurePicture";
import { paperTheme as theme } from "../../pictures/theme";
import { selectRepresentatives, type ShrinkRun } from "../../statistics/shrinkSeries";
import type { MeasuredFigure } from "./evaluationFigure";
import { evaluationFigures } from "./evaluationFigures";
import { toFileName } from "./figures";
import type { Figure } from "./html";
import { readLastDetails } from "./lastDetails";

/** One run of each line, and the last evaluation of each. */
export function createEvaluationSections(
  runs: readonly ShrinkRun[],
): readonly (readonly [title: string, figures: readonly Figure[]])[] {
  const representatives = selectRepresentatives(runs);
  return evaluationFigures.map(({ id, metric, title, create, join }) => {
    const measured = representatives.flatMap(({ name, run }) => {
      const found = readLastDetails(run, metric, (details) => {
        const figure = create(details);
        return figure && { details, figure };
      });
      return found === undefined ? [] : [{ name, ...found }];
    });
    if (join === undefined)
      return [
        title,
        measured.map(({ name, figure }) =>
          drawFigure(`${id}-${toFileName(name)}`, `${name}: ${figure.caption}`, figure),
        ),
      ];
    const joined = join(measured);
    return [title, joined === undefined ? [] : [drawFigure(id, joined.caption, joined)]];
  });
}

function drawFigure(name: string, title: string, { data, lines }: MeasuredFigure): Figure {
  return { name, picture: createFigurePicture(data, { title, theme }), lines: lines() };
}
