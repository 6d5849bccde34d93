/** The five numbers of a model as a table. */
import Table from "cli-table3";
import type { Counts, ModelCounts } from "../protocol/counts";
import { bytes, count } from "../protocol/quantities";
import { plainLine, type Terminal } from "./terminal";

export function countsTable(
  title: string,
  counts: ModelCounts,
  terminal: Terminal,
  withRoles: boolean,
): string {
  const { bold } = terminal.colors;
  const table = new Table({
    head: [title, "representation", "trainable", "stored", "non-zero", "stored bits", "bytes"].map((each) =>
      bold(plainLine(each)),
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
      plainLine(name),
      representation,
      count(trainable),
      count(stored),
      count(nonZero),
      count(bits),
      bytes(size),
    ]);
  if (withRoles) for (const each of counts.roles) row(each.role, each.representation, each);
  row("non-embedding", "", counts.nonEmbedding);
  row("whole model", "", counts.total);
  return table.toString();
}
