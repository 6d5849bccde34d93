/** A table of shares as colored cells with their numbers: rows and columns have names. */
import type { HeatMapData } from "../protocol/figures";
import { formatPercent } from "../protocol/quantities";
import { getFillColor } from "./matrix";
import type { Label, Picture } from "./picture";
import { createHeading, createLine, createNote, createRectangle, listCorners } from "./shapes";
import { getTextColor } from "./textColor";
import type { ChartTheme } from "./theme";

export interface HeatMapOptions {
  readonly title: string;
  readonly theme: ChartTheme;
  readonly width: number;
}

const [head, foot, side] = [46, 44, 56];
const cellHeight = 34;
/** Narrower cells have no room for `100 %`. */
const minLabeledWidth = 36;

export function createHeatMapPicture(data: HeatMapData, { title, theme, width }: HeatMapOptions): Picture {
  const { rowNames, columnNames, axes, shares } = data;
  const [rows, columns] = [rowNames.length, columnNames.length];
  const area = { left: side, top: head, right: width, bottom: head + rows * cellHeight };
  const cellWidth = (area.right - area.left) / columns;
  const cells = shares.map((share, i) => ({
    share,
    row: Math.floor(i / columns),
    column: i % columns,
    x: area.left + (i % columns) * cellWidth,
    y: area.top + Math.floor(i / columns) * cellHeight,
    color: getFillColor(share, 1, theme),
  }));
  const middle = (area.left + area.right) / 2;
  const outline = theme.highContrast ? theme.foreground : theme.grid;
  const namedEvery = Math.ceil(minLabeledWidth / cellWidth);
  return {
    title,
    width,
    height: area.bottom + foot,
    background: theme.background,
    font: theme.font,
    area,
    faces: cells.map(({ x, y, row, column, color }) => ({
      ...createRectangle(x, y, cellWidth, cellHeight, color),
      title: describeCell(data, row, column),
    })),
    grid: cells.map(({ x, y }) => {
      const corners = listCorners(x, y, cellWidth, cellHeight);
      return createLine([...corners, corners[0]!], outline);
    }),
    strokes: [],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      createNote({ x: 0, y: area.top - 8 }, axes[0], "start", theme),
      createNote({ x: middle, y: area.bottom + 36 }, axes[1], "middle", theme),
      ...rowNames.map((name, row) =>
        createNote({ x: area.left - 8, y: area.top + (row + 0.5) * cellHeight + 4 }, name, "end", theme),
      ),
      ...columnNames.flatMap((name, column) =>
        column % namedEvery > 0
          ? []
          : [
              createNote(
                { x: area.left + (column + 0.5) * cellWidth, y: area.bottom + 17 },
                name,
                "middle",
                theme,
              ),
            ],
      ),
      ...cells.flatMap(({ share, x, y, color }): Label[] =>
        share === null || cellWidth < minLabeledWidth
          ? []
          : [
              {
                x: x + cellWidth / 2,
                y: y + cellHeight / 2 + 4,
                text: `${Math.round(100 * share)} %`,
                anchor: "middle",
                size: 12,
                color: getTextColor(color),
              },
            ],
      ),
    ],
    readings: {
      x: rowNames.map(() => Array.from({ length: columns + 1 }, (_, i) => area.left + i * cellWidth)),
      y: Array.from({ length: rows + 1 }, (_, i) => area.top + i * cellHeight),
      describe: (row, column) => describeCell(data, row, column),
    },
  };
}

function describeCell(
  { axes, rowNames, columnNames, shares, notes }: HeatMapData,
  row: number,
  column: number,
): string {
  const cell = row * columnNames.length + column;
  const share = shares[cell] ?? null;
  const note = notes?.[cell] ?? null;
  const value =
    share === null
      ? "not measured"
      : note === null
        ? formatPercent(share)
        : `${formatPercent(share)}, ${note}`;
  return `${axes[0]} ${rowNames[row]!}, ${axes[1]} ${columnNames[column]!}: ${value}`;
}
