/** Curves over a common axis as a static picture; the interactive charts of pages are drawn elsewhere. */
import { figure, shortCount } from "../protocol/quantities";
import { linearTicks } from "./axisTicks";
import { colorOf } from "./palette";
import type { Label, Picture, Stroke } from "./picture";
import type { ChartTheme } from "./theme";

export interface NamedCurve {
  readonly name: string;
  /** From left to right. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface CurvesGiven {
  readonly title: string;
  readonly across: string;
  readonly curves: readonly NamedCurve[];
  readonly theme: ChartTheme;
  readonly width: number;
}

const [left, top, plot, legendRow] = [56, 34, 240, 18];

export function curvesPicture({ title, across, curves, theme, width }: CurvesGiven): Picture {
  const all = curves.flatMap(({ points }) => points);
  const [x0, x1] = [Math.min(...all.map(({ x }) => x)), Math.max(...all.map(({ x }) => x))];
  const [y0, y1] = [Math.min(...all.map(({ y }) => y)), Math.max(...all.map(({ y }) => y))];
  const area = { left, top, right: width - 14, bottom: top + plot };
  const atX = (x: number) => area.left + ((x - x0) / (x1 - x0 || 1)) * (area.right - area.left);
  const atY = (y: number) => area.bottom - ((y - y0) / (y1 - y0 || 1)) * plot * 0.96;
  const labels: Label[] = [
    { x: 0, y: 18, text: title, color: theme.foreground, anchor: "start", size: 13, bold: true },
  ];
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    labels.push({ x, y, text, anchor, color: theme.muted, size: 11 });
  const line = (points: Stroke["pieces"][number], color: string, thick = 1): Stroke => ({
    pieces: [points],
    color,
    opacity: 1,
    width: thick,
    dash: [],
  });
  const grid: Stroke[] = [];
  for (const tick of linearTicks(y0, y1, 6)) {
    grid.push(
      line(
        [
          { x: area.left, y: atY(tick) },
          { x: area.right, y: atY(tick) },
        ],
        theme.grid,
      ),
    );
    label(area.left - 8, atY(tick) + 4, figure(tick, 3), "end");
  }
  for (const tick of linearTicks(x0, x1, width / 100)) {
    grid.push(
      line(
        [
          { x: atX(tick), y: area.top },
          { x: atX(tick), y: area.bottom },
        ],
        theme.grid,
      ),
    );
    label(atX(tick), area.bottom + 16, shortCount(tick), "middle");
  }
  label((area.left + area.right) / 2, area.bottom + 32, across, "middle");
  let [x, y] = [left, area.bottom + 54];
  curves.forEach(({ name }, i) => {
    const needed = 36 + name.length * 6.4;
    if (x > left && x + needed > width) [x, y] = [left, y + legendRow];
    grid.push(
      line(
        [
          { x, y: y - 4 },
          { x: x + 18, y: y - 4 },
        ],
        colorOf(i, theme.ground),
        2,
      ),
    );
    labels.push({ x: x + 24, y, text: name, color: theme.foreground, anchor: "start", size: 11 });
    x += needed;
  });
  return {
    title,
    width,
    height: y + 12,
    background: theme.background,
    font: theme.font,
    area,
    grid,
    strokes: curves.map(({ points }, i) =>
      line(
        points.map((point) => ({ x: atX(point.x), y: atY(point.y) })),
        colorOf(i, theme.ground),
        1.4,
      ),
    ),
    marks: [],
    labels,
  };
}

export function curveLines(curves: readonly NamedCurve[]): string[][] {
  return [
    ["series", "x", "y"],
    ...curves.flatMap(({ name, points }) => points.map(({ x, y }) => [name, String(x), String(y)])),
  ];
}
