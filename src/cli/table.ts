/**
 * Tables without lines, which stay readable in a log and can be cut apart by other programs. Where there are fewer columns
 * than a table needs, headings and texts are wrapped, then names lose their middle, then the table continues below with
 * the first column repeated.
 */
import Table from "cli-table3";
import type { Terminal } from "./terminal";
import { getTextWidth, minNameWidth, shortenMiddle, wrapText } from "./textWidth";

/** What tables need to know of the terminal they are written to. */
export type TableStyle = Pick<Terminal, "colors" | "textWidth">;

const gap = 2;
const minTextWidth = 12;

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

interface Column {
  readonly title: string;
  readonly cells: readonly string[];
  readonly isNumeric: boolean;
  /** Columns that it takes unwrapped, and the fewest that it can be set in. */
  readonly widest: number;
  readonly narrowest: number;
}

/** Aligns the first column and text columns to the left, number columns to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  { colors, textWidth }: TableStyle,
): string {
  const columns = head.map((title, index) =>
    createColumn(
      title,
      rows.map((row) => row[index] ?? ""),
      index,
    ),
  );
  return splitIntoBands(columns, textWidth)
    .map((band) => renderBand(band, fitWidths(band, textWidth), colors))
    .join("\n\n");
}

function createColumn(title: string, cells: readonly string[], index: number): Column {
  const isNumeric = index > 0 && cells.every((cell) => /^[−–∞+\d]|^NaN$/.test(cell));
  const widest = measureWidest([title, ...cells]);
  const longestWord = measureWidest(title.split(" "));
  const content = measureWidest(cells);
  const narrowest =
    index === 0
      ? measureDistinctNames(cells, Math.min(widest, minNameWidth), widest)
      : isNumeric
        ? Math.max(content, longestWord)
        : Math.min(widest, Math.max(minTextWidth, longestWord));
  return { title, cells, isNumeric, widest, narrowest };
}

/** The smallest width of at least `least` in which shortened names stay distinct. */
function measureDistinctNames(names: readonly string[], least: number, widest: number): number {
  const count = new Set(names).size;
  for (let width = least; width < widest; width++)
    if (new Set(names.map((name) => shortenMiddle(name, width))).size === count) return width;
  return widest;
}

function measureWidest(texts: readonly string[]): number {
  return texts.reduce((widest, text) => Math.max(widest, getTextWidth(text)), 0);
}

/** As many columns at a time as fit at their narrowest; each band starts with the first one. */
function splitIntoBands(columns: readonly Column[], width: number): readonly (readonly Column[])[] {
  const [first, ...others] = columns;
  if (first === undefined) return [];
  const bands: Column[][] = [[first]];
  let used = first.narrowest;
  for (const column of others) {
    if (used + gap + column.narrowest > width && bands.at(-1)!.length > 1) {
      bands.push([first]);
      used = first.narrowest;
    }
    bands.at(-1)!.push(column);
    used += gap + column.narrowest;
  }
  return bands;
}

/** Every column at its narrowest, and what is left over shared among those that need more, headings of numbers last. */
function fitWidths(band: readonly Column[], width: number): number[] {
  const needed = band.reduce((sum, { widest }) => sum + widest + gap, -gap);
  if (needed <= width) return band.map(({ widest }) => widest);
  const widths = band.map(({ narrowest }) => narrowest);
  let left = width - widths.reduce((sum, each) => sum + each + gap, -gap);
  for (const isNumeric of [false, true])
    while (left > 0) {
      const growing = [...band.keys()].filter(
        (i) => band[i]!.isNumeric === isNumeric && widths[i]! < band[i]!.widest,
      );
      if (growing.length === 0) break;
      const narrowest = growing.reduce((least, i) => (widths[i]! < widths[least]! ? i : least), growing[0]!);
      widths[narrowest]! += 1;
      left -= 1;
    }
  return widths;
}

function renderBand(
  band: readonly Column[],
  widths: readonly number[],
  colors: TableStyle["colors"],
): string {
  const fitCell = (text: string, column: number) => {
    const width = widths[column]!;
    if (getTextWidth(text) <= width) return text;
    return column === 0 ? shortenMiddle(text, width) : wrapText(text, width);
  };
  const table = new Table({
    head: band.map(({ title }, i) => wrapText(title, widths[i]!).split("\n").map(colors.dim).join("\n")),
    chars: { ...noBorders, middle: " ".repeat(gap) },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: band.map(({ isNumeric }) => (isNumeric ? "right" : "left")),
  });
  const rows = band[0]!.cells.length;
  for (let row = 0; row < rows; row++) table.push(band.map(({ cells }, i) => fitCell(cells[row]!, i)));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}
