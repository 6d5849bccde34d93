/** Losses of several runs in a column: where they were measured differently, each cell names its protocol by a letter. */
import { groupByProtocol, type LossProtocol } from "../protocol/lossProtocol";
import { formatAligned } from "../protocol/quantities";
import type { RunRecord } from "../protocol/run";
import { toPlainLine, type Terminal } from "./terminal";
import { wrapText } from "./textWidth";

export interface MeasuredLoss {
  readonly value: number | undefined;
  readonly protocol: LossProtocol | undefined;
}

/** The last value of the first of the metrics that the run has. */
export function findLoss({ summary, losses }: RunRecord, metrics: readonly string[]): MeasuredLoss {
  const metric = metrics.find((name) => summary[name] !== undefined);
  return metric === undefined
    ? { value: undefined, protocol: undefined }
    : { value: summary[metric]!.last, protocol: losses?.[metric] };
}

export const evaluationLosses = ["eval/loss", "perplexity/loss"] as const;

export interface LossCells {
  readonly cells: readonly string[];
  /** Lines to show below the table. */
  readonly notes: readonly string[];
}

export function createLossCells(title: string, losses: readonly MeasuredLoss[]): LossCells {
  const shown = losses.map(({ value, protocol }) => (value === undefined ? undefined : protocol));
  const { letters, notes } = groupByProtocol(title, shown);
  return {
    cells: losses.map(({ value }, i) => {
      if (value === undefined) return "–";
      return letters[i] === undefined ? formatAligned(value) : `${formatAligned(value)} ${letters[i]}`;
    }),
    notes,
  };
}

/** A table with the notes on its losses. */
export function appendNotes(table: string, notes: readonly string[], terminal: Terminal): string {
  if (notes.length === 0) return table;
  const lines = notes.map((note) =>
    terminal.colors.yellow(wrapText(toPlainLine(note), terminal.textWidth, "   ")),
  );
  return `${table}\n\n${lines.join("\n")}`;
}
