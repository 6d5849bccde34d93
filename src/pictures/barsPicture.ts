/** Bars side by side with their intervals: one group of bars per measure, one bar per model. */
import { formatNumber } from "../protocol/quantities";
import type { Estimate } from "../statistics/studentT";
import { computeLinearTicks } from "./axisTicks";
import { getColor } from "./palette";
import type { Face, Label, Picture, Stroke } from "./picture";
import { createLine, createNote, createRectangle, placeLegend } from "./shapes";
import type { ChartTheme } from "./theme";

export interface BarsPictureOptions {
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

const [left, top, plot] = [56, 34, 200];

export function createBarsPicture({ title, series, groups, theme, width }: BarsPictureOptions): Picture {
  const values = groups.flatMap(({ values }) => values.flatMap((each) => each ?? []));
  const highest = Math.max(1e-12, ...values.map(({ mean, half = 0 }) => mean + half));
  const area = { left, top, right: width - 12, bottom: top + plot };
  const toY = (y: number) => area.bottom - (y / (highest * 1.05)) * plot;
  const groupWidth = (area.right - area.left) / Math.max(1, groups.length);
  const barWidth = (groupWidth * 0.84) / Math.max(1, series.length);
  const faces: Face[] = [];
  const strokes: Stroke[] = [];
  const labels: Label[] = [
    { x: 0, y: 18, text: title, color: theme.foreground, anchor: "start", size: 13, bold: true },
  ];
  const label = (x: number, y: number, text: string, anchor: Label["anchor"]) =>
    labels.push(createNote({ x, y }, text, anchor, theme));
  const line = (points: readonly (readonly [number, number])[], color: string) =>
    createLine(
      points.map(([x, y]) => ({ x, y })),
      color,
    );
  groups.forEach(({ name, values }, group) => {
    const from = area.left + group * groupWidth + groupWidth * 0.08;
    values.forEach((value, i) => {
      if (value === undefined) return;
      const { mean, half } = value;
      const x = from + i * barWidth;
      faces.push(createRectangle(x, toY(mean), barWidth * 0.9, area.bottom - toY(mean), getColor(i, theme)));
      if (half === undefined) return;
      const center = x + barWidth * 0.45;
      const ends = [toY(mean + half), toY(Math.max(0, mean - half))] as const;
      strokes.push(
        line(
          ends.map((y) => [center, y] as const),
          theme.foreground,
        ),
      );
    });
    label(from + groupWidth * 0.42, area.bottom + 16, name, "middle");
  });
  const grid = computeLinearTicks(0, highest * 1.05, 5).map((tick) => {
    label(area.left - 8, toY(tick) + 4, formatNumber(tick, 3), "end");
    return line(
      [
        [area.left, toY(tick)],
        [area.right, toY(tick)],
      ],
      tick === 0 ? theme.muted : theme.grid,
    );
  });
  const legend = placeLegend(series, { left, top: area.bottom + 38, width, room: 30 });
  series.forEach((name, i) => {
    const { x, y } = legend.places[i]!;
    faces.push(createRectangle(x, y - 9, 12, 10, getColor(i, theme)));
    labels.push({ x: x + 18, y, text: name, color: theme.foreground, anchor: "start", size: 11 });
  });
  return {
    title,
    width,
    height: legend.bottom + 12,
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
