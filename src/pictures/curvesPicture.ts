/** Curves over a common axis as a static picture; the interactive charts of pages are drawn elsewhere. */
import { findExtremes } from "../statistics/extremes";
import { formatNumber, formatShortCount } from "../protocol/quantities";
import { computeLinearTicks } from "./axisTicks";
import { getColor } from "./palette";
import type { Label, Picture, Stroke } from "./picture";
import { createLine, createNote, placeLegend } from "./shapes";
import type { ChartTheme } from "./theme";

export interface NamedCurve {
  readonly name: string;
  /** From left to right. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface CurvesPictureOptions {
  readonly title: string;
  readonly across: string;
  readonly curves: readonly NamedCurve[];
  readonly theme: ChartTheme;
  readonly width: number;
}

const [left, top, plot] = [56, 34, 240];

export function createCurvesPicture({ title, across, curves, theme, width }: CurvesPictureOptions): Picture {
  const points = curves.flatMap(({ points }) => points);
  const { min: x0, max: x1 } = findExtremes(points.map(({ x }) => x));
  const { min: y0, max: y1 } = findExtremes(points.map(({ y }) => y));
  const area = { left, top, right: width - 14, bottom: top + plot };
  const toX = (x: number) => area.left + ((x - x0) / (x1 - x0 || 1)) * (area.right - area.left);
  const toY = (y: number) => area.bottom - ((y - y0) / (y1 - y0 || 1)) * plot * 0.96;
  const labels: Label[] = [
    { x: 0, y: 18, text: title, color: theme.foreground, anchor: "start", size: 13, bold: true },
  ];
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    labels.push(createNote({ x, y }, text, anchor, theme));
  const grid: Stroke[] = [];
  for (const tick of computeLinearTicks(y0, y1, 6)) {
    grid.push(
      createLine(
        [
          { x: area.left, y: toY(tick) },
          { x: area.right, y: toY(tick) },
        ],
        theme.grid,
      ),
    );
    label(area.left - 8, toY(tick) + 4, formatNumber(tick, 3), "end");
  }
  for (const tick of computeLinearTicks(x0, x1, width / 100)) {
    grid.push(
      createLine(
        [
          { x: toX(tick), y: area.top },
          { x: toX(tick), y: area.bottom },
        ],
        theme.grid,
      ),
    );
    label(toX(tick), area.bottom + 16, formatShortCount(tick), "middle");
  }
  label((area.left + area.right) / 2, area.bottom + 32, across, "middle");
  const names = curves.map(({ name }) => name);
  const legend = placeLegend(names, { left, top: area.bottom + 54, width, room: 36 });
  names.forEach((name, i) => {
    const { x, y } = legend.places[i]!;
    grid.push(
      createLine(
        [
          { x, y: y - 4 },
          { x: x + 18, y: y - 4 },
        ],
        getColor(i, theme),
        2,
      ),
    );
    labels.push({ x: x + 24, y, text: name, color: theme.foreground, anchor: "start", size: 11 });
  });
  return {
    title,
    width,
    height: legend.bottom + 12,
    background: theme.background,
    font: theme.font,
    area,
    grid,
    strokes: curves.map(({ points }, i) =>
      createLine(
        points.map((point) => ({ x: toX(point.x), y: toY(point.y) })),
        getColor(i, theme),
        1.4,
      ),
    ),
    marks: [],
    labels,
  };
}

export function createCurveRows(curves: readonly NamedCurve[]): string[][] {
  return [
    ["series", "x", "y"],
    ...curves.flatMap(({ name, points }) => points.map(({ x, y }) => [name, String(x), String(y)])),
  ];
}
