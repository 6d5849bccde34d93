/** Bars side by side with their intervals: one group of bars per measure, one bar per model. */
import { figure } from "../protocol/quantities";
import type { Estimate } from "../statistics/studentT";
import { linearTicks } from "./axisTicks";
import { colorOf } from "./palette";
import type { Face, Label, Picture, Stroke } from "./picture";
import type { ChartTheme } from "./theme";

export interface BarsGiven {
  readonly title: string;
  readonly series: readonly string[];
  readonly groups: readonly {
    readonly name: string;
    /** In the order of the series. */
    readonly values: readonly (Estimate | undefined)[];
  }[];
  readonly theme: ChartTheme;
  readonly width: number;
}

const [left, top, plot, legendRow] = [56, 34, 200, 18];

export function barsPicture({ title, series, groups, theme, width }: BarsGiven): Picture {
  const all = groups.flatMap(({ values }) => values.flatMap((each) => each ?? []));
  const most = Math.max(1e-12, ...all.map(({ mean, half = 0 }) => mean + half));
  const area = { left, top, right: width - 12, bottom: top + plot };
  const atY = (y: number) => area.bottom - (y / (most * 1.05)) * plot;
  const room = (area.right - area.left) / Math.max(1, groups.length);
  const bar = (room * 0.84) / Math.max(1, series.length);
  const faces: Face[] = [];
  const strokes: Stroke[] = [];
  const labels: Label[] = [
    { x: 0, y: 18, text: title, color: theme.foreground, anchor: "start", size: 13, bold: true },
  ];
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    labels.push({ x, y, text, anchor, color: theme.muted, size: 11 });
  const line = (points: readonly (readonly [number, number])[], color: string): Stroke => ({
    pieces: [points.map(([x, y]) => ({ x, y }))],
    color,
    opacity: 1,
    width: 1,
    dash: [],
  });
  const rectangle = (x: number, y: number, w: number, h: number, color: string): Face => ({
    points: [
      { x, y },
      { x: x + w, y },
      { x: x + w, y: y + h },
      { x, y: y + h },
    ],
    color,
  });
  groups.forEach(({ name, values }, group) => {
    const from = area.left + group * room + room * 0.08;
    values.forEach((value, i) => {
      if (value === undefined) return;
      const { mean, half } = value;
      const x = from + i * bar;
      faces.push(rectangle(x, atY(mean), bar * 0.9, area.bottom - atY(mean), colorOf(i, theme.ground)));
      if (half === undefined) return;
      const middle = x + bar * 0.45;
      const ends = [atY(mean + half), atY(Math.max(0, mean - half))] as const;
      strokes.push(
        line(
          ends.map((y) => [middle, y] as const),
          theme.foreground,
        ),
      );
    });
    label(from + room * 0.42, area.bottom + 16, name, "middle");
  });
  const grid = linearTicks(0, most * 1.05, 5).map((tick) => {
    label(area.left - 8, atY(tick) + 4, figure(tick, 3), "end");
    return line(
      [
        [area.left, atY(tick)],
        [area.right, atY(tick)],
      ],
      tick === 0 ? theme.muted : theme.grid,
    );
  });
  let [x, y] = [left, area.bottom + 38];
  series.forEach((name, i) => {
    const needed = 30 + name.length * 6.4;
    if (x > left && x + needed > width) [x, y] = [left, y + legendRow];
    faces.push(rectangle(x, y - 9, 12, 10, colorOf(i, theme.ground)));
    labels.push({ x: x + 18, y, text: name, color: theme.foreground, anchor: "start", size: 11 });
    x += needed;
  });
  return {
    title,
    width,
    height: y + 12,
    background: theme.background,
    font: theme.font,
    area,
    faces,
    grid,
    strokes,
    marks: [],
    labels,
  };
}
