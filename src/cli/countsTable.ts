/** The five numbers of a model as a table. */
import Table from "cli-table3";
import type { Counts, ModelCounts } from "../protocol/counts";
import { formatBytes, formatCount } from "../protocol/quantities";
import { toPlainLine, type Terminal } from "./terminal";

export function formatCountsTable(
  title: string,
  counts: ModelCounts,
  terminal: Terminal,
  includeRoles: boolean,
): string {
  const { bold } = terminal.colors;
  const table = new Table({
    head: [title, "representation", "trainable", "stored", "non-zero", "stored bits", "bytes"].map((each) =>
      bold(toPlainLine(each)),
    ),
    colAligns: ["left", "left", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  const row = (
    name: string,
    representation: string,
    { trainable, stored, nonZero, bits, bytes: size }: Counts,
  ) =>
    table.push([
      toPlainLine(name),
      representation,
      formatCount(trainable),
      formatCount(stored),
      formatCount(nonZero),
      formatCount(bits),
      formatBytes(size),
    ]);
  if (includeRoles) for (const each of counts.roles) row(each.role, each.representation, each);
  row("non-embedding", "", counts.nonEmbedding);
  row("whole model", "", counts.total);
  return table.toString();
}
