/** A table of shares as colored cells with their numbers: rows and columns have names. */
import { getFillColor, type Matrix } from "./matrix";
import type { Label, Picture } from "./picture";
import { createHeading, createLine, createNote, createRectangle, listCorners } from "./shapes";
import type { ChartTheme } from "./theme";

export interface HeatMapOptions {
  readonly title: string;
  /** Shares from 0 to 1; null is an empty cell. */
  readonly matrix: Matrix;
  readonly rowNames: readonly string[];
  readonly columnNames: readonly string[];
  /** The titles of the vertical and the horizontal axis. */
  readonly axes: readonly [down: string, across: string];
  readonly theme: ChartTheme;
  readonly width: number;
}

const [head, foot, side] = [46, 44, 56];
const cellHeight = 34;

export function createHeatMapPicture(options: HeatMapOptions): Picture {
  const { title, matrix, rowNames, columnNames, axes, theme, width } = options;
  const { rows, columns, values } = matrix;
  const area = { left: side, top: head, right: width, bottom: head + rows * cellHeight };
  const cellWidth = (area.right - area.left) / columns;
  const cells = values.map((value, i) => ({
    value,
    x: area.left + (i % columns) * cellWidth,
    y: area.top + Math.floor(i / columns) * cellHeight,
    color: getFillColor(value, 1, theme),
  }));
  const middle = (area.left + area.right) / 2;
  const outline = theme.highContrast ? theme.foreground : theme.grid;
  return {
    title,
    width,
    height: area.bottom + foot,
    background: theme.background,
    font: theme.font,
    area,
    faces: cells.map(({ x, y, color }) => createRectangle(x, y, cellWidth, cellHeight, color)),
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
      ...columnNames.map((name, column) =>
        createNote({ x: area.left + (column + 0.5) * cellWidth, y: area.bottom + 17 }, name, "middle", theme),
      ),
      ...cells.flatMap(({ value, x, y, color }): Label[] =>
        value === null
          ? []
          : [
              {
                x: x + cellWidth / 2,
                y: y + cellHeight / 2 + 4,
                text: `${Math.round(100 * value)} %`,
                anchor: "middle",
                size: 12,
                color: getTextColor(color),
              },
            ],
      ),
    ],
  };
}

/** Black or white, whichever has the higher contrast to the fill (relative luminance of WCAG 2.2). */
function getTextColor(fill: string): string {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(fill.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  // Contrasts to white and black, 1.05 / (l + 0.05) and (l + 0.05) / 0.05, are equal here.
  return luminance > Math.sqrt(1.05 * 0.05) - 0.05 ? "#000000" : "#ffffff";
}
