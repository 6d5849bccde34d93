/** The five numbers of a model as a table. */
import type { Counts, ModelCounts } from "../protocol/counts";
import { formatBytes, formatCount } from "../protocol/quantities";
import { formatTable } from "./table";
import { toPlainLine, type Terminal } from "./terminal";
import { wrapText } from "./textWidth";

export function formatCountsTable(
  title: string | undefined,
  counts: ModelCounts,
  terminal: Terminal,
  includeRoles: boolean,
): string {
  const createRow = (
    name: string,
    representation: string,
    { trainable, stored, nonZero, bits, bytes: size }: Counts,
  ) => [
    toPlainLine(name),
    representation,
    formatCount(trainable),
    formatCount(stored),
    formatCount(nonZero),
    formatCount(bits),
    formatBytes(size),
  ];
  const rows = [
    ...(includeRoles ? counts.roles.map((each) => createRow(each.role, each.representation, each)) : []),
    createRow("non-embedding", "", counts.nonEmbedding),
    createRow("whole model", "", counts.total),
  ];
  const columns = ["trainable", "stored", "non-zero", "stored bits", "bytes"];
  const table = includeRoles
    ? formatTable(["role", "representation", ...columns], rows, terminal)
    : formatTable(
        ["parameters", ...columns],
        rows.map(([name, , ...numbers]) => [name!, ...numbers]),
        terminal,
      );
  if (title === undefined) return table;
  return `${terminal.colors.bold(wrapText(toPlainLine(title), terminal.textWidth))}\n${table}`;
}
