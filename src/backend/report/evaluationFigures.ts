/**
 * Figures of what an evaluation has measured: below the cell in a notebook, and in the report of an experiment. Both read
 * this list.
 */
import type { Block } from "../../protocol/blocks";
import type { EvaluationFigure } from "./evaluationFigure";
import { exits, generatedExits } from "./exitsFigure";
import keptTokens from "./keptTokensFigure";
import retrieval from "./retrievalFigure";

export const evaluationFigures: readonly EvaluationFigure[] = [retrieval, keptTokens, exits, generatedExits];

/** The figures of one metric of an evaluation, from its details. */
export function createMeasuredFigures(metric: string, details: unknown): Block[] {
  return evaluationFigures
    .filter((each) => each.metric === metric)
    .flatMap(({ title, create }): Block[] => {
      const figure = create(details);
      return figure === undefined
        ? []
        : [{ kind: "figure", title, caption: figure.caption, data: figure.data }];
    });
}
