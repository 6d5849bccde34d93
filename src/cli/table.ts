/** Tables without lines, which stay readable in a log and can be cut apart by other programs. */
import Table from "cli-table3";
import type { Colors } from "./terminal";

const noBorders = Object.fromEntries(
  [
    "top",
    "top-mid",
    "top-left",
    "top-right",
    "bottom",
    "bottom-mid",
    "bottom-left",
    "bottom-right",
    "left",
    "left-mid",
    "mid",
    "mid-mid",
    "right",
    "right-mid",
  ].map((name) => [name, ""]),
);

/** Aligns the first column and text columns to the left, number columns to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  colors: Colors,
): string {
  const numeric = head.map(
    (_, column) => column > 0 && rows.every((row) => /^[−–∞\d]|^NaN$/.test(row[column] ?? "–")),
  );
  const table = new Table({
    head: head.map((title) => colors.dim(title)),
    chars: { ...noBorders, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: numeric.map((right) => (right ? "right" : "left")),
  });
  for (const row of rows) table.push([...row]);
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
