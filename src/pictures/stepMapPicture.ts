/** One number of each layer at each step as a heat map, with its color scale. */
import { formatCount, formatNumber } from "../protocol/quantities";
import { getFillColor } from "./matrix";
import type { Label, Picture } from "./picture";
import { createHeading, createLine, createNote, createRectangle, listCorners } from "./shapes";
import type { ChartTheme } from "./theme";

export interface StepMapOptions {
  readonly title: string;
  /** From top to bottom. */
  readonly rows: readonly string[];
  readonly steps: readonly number[];
  /** By row, then by step; null where there is none. */
  readonly values: readonly (readonly (number | null)[])[];
  /** The cell that is emphasized. */
  readonly chosen?: { readonly row: number; readonly column: number } | undefined;
  readonly theme: ChartTheme;
  readonly width: number;
}

const [left, top, foot, bar] = [64, 40, 34, 78];
/** More cells in a row than pixels for them are joined to the one of largest magnitude. */
const minCellWidth = 2;

export function createStepMapPicture(options: StepMapOptions): Picture {
  const { title, rows, steps, values, chosen, theme, width } = options;
  const rowHeight = Math.max(12, Math.min(26, 320 / Math.max(1, rows.length)));
  const area = { left, top, right: width - bar, bottom: top + rowHeight * rows.length };
  const cellWidth = (area.right - area.left) / Math.max(1, steps.length);
  const limit = findLimit(values.flat());
  const isSigned = values.flat().some((value) => value !== null && value < 0);
  const joined = Math.max(1, Math.ceil(minCellWidth / cellWidth));
  const cells = values.flatMap((row, at) =>
    Array.from({ length: Math.ceil(row.length / joined) }, (_, i) => {
      const part = row.slice(i * joined, (i + 1) * joined);
      const value = part.reduce((a, b) => (Math.abs(b ?? 0) > Math.abs(a ?? 0) ? b : a), part[0] ?? null);
      return createRectangle(
        area.left + i * joined * cellWidth,
        area.top + at * rowHeight,
        part.length * cellWidth,
        rowHeight,
        getFillColor(value, limit, theme),
      );
    }),
  );
  const scaleHeight = Math.max(60, area.bottom - area.top);
  const lowest = isSigned ? -1 : 0;
  const parts = 40;
  const scale = Array.from({ length: parts }, (_, i) =>
    createRectangle(
      area.right + 14,
      area.top + (i * scaleHeight) / parts,
      12,
      scaleHeight / parts,
      getFillColor(limit * (1 - ((1 - lowest) * (i + 0.5)) / parts), limit, theme),
    ),
  );
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    createNote({ x, y }, text, anchor, theme);
  const everyRow = Math.ceil(14 / rowHeight);
  const everyStep = Math.max(1, Math.ceil((steps.length * 64) / (area.right - area.left)));
  return {
    title,
    width,
    height: area.top + Math.max(scaleHeight, area.bottom - area.top) + foot,
    background: theme.background,
    font: theme.font,
    area,
    faces: [...cells, ...scale],
    grid: [],
    strokes:
      chosen === undefined
        ? []
        : [
            createLine(
              outline(
                area.left + chosen.column * cellWidth,
                area.top + chosen.row * rowHeight,
                Math.max(2, cellWidth),
                rowHeight,
              ),
              theme.foreground,
              2,
            ),
          ],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      label(0, area.top - 6, "layer", "start"),
      ...rows.flatMap((row, at) =>
        at % everyRow === 0 ? [label(area.left - 8, area.top + (at + 0.5) * rowHeight + 4, row, "end")] : [],
      ),
      ...steps.flatMap((step, i) =>
        i % everyStep === 0
          ? [label(area.left + (i + 0.5) * cellWidth, area.bottom + 17, formatCount(step), "middle")]
          : [],
      ),
      ...(isSigned ? [1, 0, -1] : [1, 0.5, 0]).map((share) =>
        label(
          area.right + 30,
          area.top + (scaleHeight * (1 - share)) / (1 - lowest) + 4,
          formatNumber(limit * share, 2),
          "start",
        ),
      ),
    ],
  };
}

function outline(x: number, y: number, w: number, h: number) {
  return [...listCorners(x, y, w, h), { x, y }];
}

/** The magnitude that 98 % stay below: a few steps at the start do not make everything else look alike. */
function findLimit(values: readonly (number | null)[]): number {
  const magnitudes = values
    .flatMap((value) => (value === null ? [] : [Math.abs(value)]))
    .sort((a, b) => a - b);
  return magnitudes[Math.floor((magnitudes.length - 1) * 0.98)] || magnitudes.at(-1) || 1;
}
