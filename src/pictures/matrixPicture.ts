/** A matrix seen from above: one cell per value, with its color scale. */
import { formatNumber } from "../protocol/quantities";
import { getFillColor, type Matrix } from "./matrix";
import type { Label, Picture } from "./picture";
import { createHeading, createNote, createRectangle } from "./shapes";
import type { ChartTheme } from "./theme";

export interface MatrixPictureOptions {
  readonly title: string;
  readonly matrix: Matrix;
  readonly limit: number;
  readonly theme: ChartTheme;
  readonly width: number;
  /** The titles of the vertical and the horizontal axis. */
  readonly axes: readonly [down: string, across: string];
}

const [head, foot, side, bar] = [30, 26, 20, 66];

export function createMatrixPicture({
  title,
  matrix,
  limit,
  theme,
  width,
  axes,
}: MatrixPictureOptions): Picture {
  const { rows, columns, values } = matrix;
  const plotWidth = width - side - bar;
  const plotHeight = Math.max(24, Math.min(plotWidth, (plotWidth * rows) / Math.max(1, columns)));
  const area = { left: side, top: head, right: side + plotWidth, bottom: head + plotHeight };
  const [w, h] = [plotWidth / columns, plotHeight / rows];
  const cells = values.map((value, i) =>
    createRectangle(
      area.left + (i % columns) * w,
      area.top + Math.floor(i / columns) * h,
      w,
      h,
      getFillColor(value, limit, theme),
    ),
  );
  const steps = 48;
  const scale = Array.from({ length: steps }, (_, i) =>
    createRectangle(
      area.right + 14,
      area.top + (i * plotHeight) / steps,
      12,
      plotHeight / steps,
      getFillColor(limit * (1 - (2 * (i + 0.5)) / steps), limit, theme),
    ),
  );
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    createNote({ x, y }, text, anchor, theme);
  return {
    title,
    width,
    height: area.bottom + foot,
    background: theme.background,
    font: theme.font,
    area,
    faces: [...cells, ...scale],
    grid: [],
    strokes: [],
    marks: [],
    labels: [
      createHeading(title, width, theme),
      label((area.left + area.right) / 2, area.bottom + 17, `${axes[1]} →`, "middle"),
      label(area.left - 4, area.top + 12, "↓", "end"),
      label(area.left, area.bottom + 17, axes[0], "start"),
      ...[1, 0, -1].map((share) =>
        label(
          area.right + 30,
          area.top + (plotHeight * (1 - share)) / 2 + 4,
          formatNumber(limit * share, 2),
          "start",
        ),
      ),
    ],
  };
}
