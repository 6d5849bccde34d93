/** A matrix seen from above: one cell per value, with its color scale. */
import { figure } from "../protocol/quantities";
import { fillOf, type Matrix } from "./matrix";
import { shortenHeading } from "./shortened";
import type { Face, Label, Picture } from "./picture";
import type { ChartTheme } from "./theme";

export interface MatrixGiven {
  readonly title: string;
  readonly matrix: Matrix;
  readonly limit: number;
  readonly theme: ChartTheme;
  readonly width: number;
  /** The titles of the vertical and the horizontal axis. */
  readonly axes: readonly [down: string, across: string];
}

const [head, foot, side, bar] = [30, 26, 20, 66];

export function matrixPicture({ title, matrix, limit, theme, width, axes }: MatrixGiven): Picture {
  const { rows, columns, values } = matrix;
  const across = width - side - bar;
  const down = Math.max(24, Math.min(across, (across * rows) / Math.max(1, columns)));
  const area = { left: side, top: head, right: side + across, bottom: head + down };
  const rectangle = (x: number, y: number, w: number, h: number, color: string): Face => ({
    points: [
      { x, y },
      { x: x + w, y },
      { x: x + w, y: y + h },
      { x, y: y + h },
    ],
    color,
  });
  const [w, h] = [across / columns, down / rows];
  const cells = values.map((value, i) =>
    rectangle(
      area.left + (i % columns) * w,
      area.top + Math.floor(i / columns) * h,
      w,
      h,
      fillOf(value, limit, theme),
    ),
  );
  const steps = 48;
  const scale = Array.from({ length: steps }, (_, i) =>
    rectangle(
      area.right + 14,
      area.top + (i * down) / steps,
      12,
      down / steps,
      fillOf(limit * (1 - (2 * (i + 0.5)) / steps), limit, theme),
    ),
  );
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]): Label => ({
    x,
    y,
    text,
    anchor,
    color: theme.muted,
    size: 11,
  });
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
      {
        x: 0,
        y: 18,
        text: shortenHeading(title, width),
        color: theme.foreground,
        anchor: "start",
        size: 13,
        bold: true,
      },
      label((area.left + area.right) / 2, area.bottom + 17, `${axes[1]} →`, "middle"),
      label(area.left - 4, area.top + 12, "↓", "end"),
      label(area.left, area.bottom + 17, axes[0], "start"),
      ...[1, 0, -1].map((share) =>
        label(area.right + 30, area.top + (down * (1 - share)) / 2 + 4, figure(limit * share, 2), "start"),
      ),
    ],
  };
}
