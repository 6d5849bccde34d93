/** What a data set comes to, as lines for a log. */
import { formatCount } from "../../protocol/quantities";
import type { DataSummary } from "./dataSet";

export function formatDataLines({ rows, train, validation, isPaired = false }: DataSummary): string[] {
  const held = isPaired ? validation?.documents : validation?.tokens;
  const heldOut = held === undefined ? "none held back" : `${held} held back for validation`;
  const what = isPaired
    ? `${train.documents} preference pairs`
    : `${train.tokens} tokens in ${train.sequences} sequences`;
  return [
    ...(rows === undefined ? [] : [formatRowsLine(rows)]),
    `Data: ${what} to train on, ${heldOut}.`,
    ...(train.labels === undefined || isPaired ? [] : [formatLabelsLine(train.labels, train.tokens)]),
  ];
}

/** Where prompts, or what is not the assistant's, are masked. */
function formatLabelsLine(labels: number, tokens: number): string {
  return `Labels: ${labels} of ${tokens} tokens to train on (${((100 * labels) / tokens).toFixed(1)} %) count in the loss.`;
}

/** Rows left after each text that none may contain, in the order in which the texts were looked for. */
function formatRowsLine({ read, filters }: NonNullable<DataSummary["rows"]>): string {
  const left = filters.map(({ text, left: count }) => `${JSON.stringify(text)} ${formatCount(count)}`);
  return `Rows: ${formatCount(read)} with text; left without ${left.join(", ")}.`;
}
