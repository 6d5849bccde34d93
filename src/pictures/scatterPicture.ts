/** Runs as points: any setting or count across, any metric up. */
import type { AxisScale, AxisValue } from "./axisScale";
import { getColor, getMark } from "./palette";
import type { Label, Mark, Picture, Stroke } from "./picture";
import { shortenMiddle } from "./shortenHeading";
import { createLine, createNote } from "./shapes";
import type { ChartTheme } from "./theme";

export interface ScatterPoint {
  readonly x: AxisValue;
  readonly y: AxisValue;
  /** The color and mark of the run. */
  readonly slot: number;
  readonly emphasis: "faint" | "normal" | "strong";
}

export interface ScatterLine {
  /** From left to right. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Of the run whose color it has. */
  readonly slot: number;
}

export interface ScatterPictureOptions {
  readonly title: string;
  readonly across: { readonly title: string; readonly scale: AxisScale };
  readonly up: { readonly title: string; readonly scale: AxisScale };
  readonly points: readonly ScatterPoint[];
  /** Lines under the points, with their colors. */
  readonly lines?: readonly ScatterLine[];
  readonly theme: ChartTheme;
  readonly width: number;
  readonly height: number;
}

export interface ScatterPicture extends Picture {
  /** Where the points are, in their order. */
  readonly places: readonly { readonly x: number; readonly y: number }[];
  readonly toShareAcross: (x: number) => number;
  readonly toShareUp: (y: number) => number;
}

const [top, right, bottom, inset] = [34, 20, 50, 10];
const characterWidth = 6.4;

export function createScatterPicture(options: ScatterPictureOptions): ScatterPicture {
  const { title, across, up, points, lines = [], theme, width, height } = options;
  const longest = Math.max(2, ...up.scale.ticks.map(({ text }) => text.length));
  const left = Math.min(140, 22 + longest * characterWidth);
  const area = { left, top, right: width - right, bottom: height - bottom };
  // Points at the ends of the scales stay clear of the frame.
  const [x0, x1] = [area.left + inset, area.right - inset];
  const [y0, y1] = [area.bottom - inset, area.top + inset];
  const toX = (share: number) => x0 + share * (x1 - x0);
  const toY = (share: number) => y0 + share * (y1 - y0);
  const line = (from: readonly [number, number], to: readonly [number, number], color: string) =>
    createLine(
      [from, to].map(([x, y]) => ({ x, y })),
      color,
    );
  const grid: Stroke[] = [];
  const labels: Label[] = [
    {
      x: 0,
      y: 16,
      text: shortenMiddle(up.title, width / 2),
      color: theme.foreground,
      anchor: "start",
      size: 12,
      bold: true,
    },
  ];
  let before = Infinity;
  for (const { share, text } of up.scale.ticks) {
    const y = toY(share);
    grid.push(line([area.left, y], [area.right, y], theme.grid));
    if (before - y < 13) continue;
    before = y;
    labels.push(createNote({ x: area.left - 8, y: y + 4 }, shortenMiddle(text, left - 12), "end", theme));
  }
  const step = (x1 - x0) / Math.max(1, across.scale.ticks.length);
  let end = -Infinity;
  for (const { share, text } of across.scale.ticks) {
    const x = toX(share);
    grid.push(line([x, area.top], [x, area.bottom], theme.grid));
    const shown = shortenMiddle(text, Math.max(40, step - 8));
    const half = (shown.length * characterWidth) / 2;
    if (x - half < end + 4) continue;
    end = x + half;
    labels.push(createNote({ x, y: area.bottom + 16 }, shown, "middle", theme));
  }
  grid.push(line([area.left, area.bottom], [area.right, area.bottom], theme.muted));
  labels.push({
    x: (area.left + area.right) / 2,
    y: area.bottom + 38,
    text: shortenMiddle(across.title, area.right - area.left),
    color: theme.foreground,
    anchor: "middle",
    size: 12,
    bold: true,
  });
  const places = points.map(({ x, y }) => ({
    x: toX(across.scale.toShare(x)),
    y: toY(up.scale.toShare(y)),
  }));
  const marks = points.map(({ slot, emphasis }, i): Mark & { readonly rank: number } => ({
    ...places[i]!,
    shape: getMark(slot),
    color: emphasis === "faint" ? `${toOpaque(theme.muted)}55` : getColor(slot, theme),
    rank: ["faint", "normal", "strong"].indexOf(emphasis),
  }));
  return {
    title,
    width,
    height,
    background: theme.background,
    font: theme.font,
    area,
    grid,
    strokes: [
      ...lines.map((each) =>
        createLine(
          each.points.map(({ x, y }) => ({
            x: toX(across.scale.toShare(x)),
            y: toY(up.scale.toShare(y)),
          })),
          getColor(each.slot, theme),
          1.5,
        ),
      ),
      ...points.flatMap(({ emphasis }, i) =>
        emphasis === "strong" ? [createRing(places[i]!, theme.foreground)] : [],
      ),
    ],
    marks: marks.sort((a, b) => a.rank - b.rank).map(({ x, y, shape, color }) => ({ x, y, shape, color })),
    labels,
    places,
    toShareAcross: (x) => (x - x0) / (x1 - x0),
    toShareUp: (y) => (y - y0) / (y1 - y0),
  };
}

function createRing({ x, y }: { readonly x: number; readonly y: number }, color: string): Stroke {
  const corners = Array.from({ length: 25 }, (_, i) => (i * 2 * Math.PI) / 24);
  return createLine(
    corners.map((angle) => ({ x: x + 8 * Math.cos(angle), y: y + 8 * Math.sin(angle) })),
    color,
    2,
  );
}

/** `#rrggbb` without the opacity that a theme's color may have. */
function toOpaque(color: string): string {
  return /^#[\da-f]{6}/i.exec(color)?.[0] ?? "#808080";
}
