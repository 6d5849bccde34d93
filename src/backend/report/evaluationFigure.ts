/** A figure of what one metric has measured, from the details of its evaluation. */
import type { FigureData } from "../../protocol/figures";

export interface EvaluationFigure {
  /** The start of the names of its files. */
  readonly id: string;
  /** As in `evaluate`; its details have the numbers. */
  readonly metric: string;
  readonly title: string;
  /** Undefined for details of another form. */
  readonly create: (details: unknown) => MeasuredFigure | undefined;
  /** One figure of all runs of a report; without it, each run has its own. */
  readonly join?: (runs: readonly NamedDetails[]) => MeasuredFigure | undefined;
}

export interface NamedDetails {
  /** Of the run. */
  readonly name: string;
  readonly details: unknown;
}

export interface MeasuredFigure {
  /** What the figure shows, in a few words. */
  readonly caption: string;
  readonly data: FigureData;
  /** All of its numbers as rows of a CSV file, starting with the header. */
  readonly lines: () => readonly (readonly string[])[];
}
