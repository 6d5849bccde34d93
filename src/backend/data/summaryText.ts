/** What a data set comes to, as lines for a log. */
import { formatCount } from "../../protocol/quantities";
import type { DataSummary } from "./dataSet";

export function formatDataLines({ rows, train, validation }: DataSummary): string[] {
  const heldOut =
    validation === undefined ? "none held back" : `${validation.tokens} held back for validation`;
  return [
    ...(rows === undefined ? [] : [formatRowsLine(rows)]),
    `Data: ${train.tokens} tokens in ${train.sequences} sequences to train on, ${heldOut}.`,
    ...(train.labels === undefined ? [] : [formatLabelsLine(train.labels, train.tokens)]),
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
