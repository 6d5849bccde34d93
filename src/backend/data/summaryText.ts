/** What a data set comes to, as lines for a log. */
import type { DataSummary } from "./dataSet";

export function dataLines({ rows, train, validation }: DataSummary): string[] {
  const held = validation === undefined ? "none held back" : `${validation.tokens} held back for validation`;
  return [
    ...(rows === undefined ? [] : [rowsLine(rows)]),
    `Data: ${train.tokens} tokens in ${train.sequences} sequences to train on, ${held}.`,
    ...(train.labels === undefined ? [] : [labelsLine(train.labels, train.tokens)]),
  ];
}

/** Where prompts, or what is not the assistant's, are masked. */
function labelsLine(labels: number, tokens: number): string {
  return `Labels: ${labels} of ${tokens} tokens to train on (${((100 * labels) / tokens).toFixed(1)} %) count in the loss.`;
}

/** Rows left after each text that none may contain, in the order in which the texts were looked for. */
function rowsLine({ read, filters }: NonNullable<DataSummary["rows"]>): string {
  const shown = (count: number) => count.toLocaleString("en-US");
  const left = filters.map(({ text, left: count }) => `${JSON.stringify(text)} ${shown(count)}`);
  return `Rows: ${shown(read)} with text; left without ${left.join(", ")}.`;
}
