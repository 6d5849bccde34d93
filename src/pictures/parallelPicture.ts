/** Runs as lines over parallel axes (Inselberg 1985), one axis for each setting or metric, colored by a metric. */
import type { AxisScale, AxisValue } from "./axisScale";
import type { Face, Label, Picture, Stroke } from "./picture";
import { getScaleColor } from "./ramp";
import { shortenMiddle } from "./shortenHeading";
import { createLine, createRectangle } from "./shapes";
import type { ChartTheme } from "./theme";

export interface ParallelAxis {
  readonly title: string;
  readonly scale: AxisScale;
}

export interface ParallelLine {
  /** One for each axis. */
  readonly values: readonly AxisValue[];
  /** From 0 to 1 along the colors; undefined is gray. */
  readonly shade: number | undefined;
  readonly emphasis: "faint" | "normal" | "strong";
}

export interface ParallelPictureOptions {
  readonly title: string;
  readonly axes: readonly ParallelAxis[];
  readonly lines: readonly ParallelLine[];
  /** What the colors mean. */
  readonly shading?: { readonly title: string; readonly from: string; readonly to: string };
  readonly theme: ChartTheme;
  readonly width: number;
  readonly height: number;
}

export interface ParallelPicture extends Picture {
  /** Across, of each axis. */
  readonly places: readonly number[];
}

const [side, top, bottom, titleRow] = [30, 44, 46, 16];
const lastSide = 64;
const characterWidth = 6.4;
const bars = 24;
const shades = 31;

export function createParallelPicture(options: ParallelPictureOptions): ParallelPicture {
  const { title, axes, lines, shading, theme, width, height } = options;
  const area = { left: side, top, right: width - lastSide, bottom: height - bottom };
  const gap = (area.right - area.left) / Math.max(1, axes.length - 1);
  const places = axes.map((_, i) => (axes.length === 1 ? (area.left + area.right) / 2 : area.left + i * gap));
  const toY = (share: number) => area.bottom - share * (area.bottom - area.top);
  const toPoints = ({ values }: ParallelLine) =>
    axes.map(({ scale }, i) => ({ x: places[i]!, y: toY(scale.toShare(values[i])) }));
  const stroke = (
    drawn: readonly ParallelLine[],
    color: string,
    thickness: number,
    opacity: number,
  ): Stroke => ({ pieces: drawn.map(toPoints), color, opacity, width: thickness, dash: [] });
  const getShade = ({ shade }: ParallelLine) =>
    shade === undefined ? theme.muted : getScaleColor(Math.round(shade * shades) / shades, theme.ground);
  const select = (emphasis: ParallelLine["emphasis"]) => lines.filter((line) => line.emphasis === emphasis);
  const labels: Label[] = [];
  // Titles in two rows have twice the room.
  const isStaggered = axes.some(({ title: each }) => each.length * characterWidth > gap - 8);
  axes.forEach(({ title: each, scale }, i) => {
    const isLast = i === axes.length - 1 && axes.length > 1;
    const isEnd = i === 0 || isLast;
    const room = (isStaggered ? 2 : 1) * gap - 10;
    labels.push({
      x: i === 0 ? 2 : isLast ? width - 2 : places[i]!,
      y: isStaggered && i % 2 === 0 ? titleRow - 2 : titleRow + 14,
      text: shortenMiddle(each, axes.length === 1 ? width : isEnd ? room * 0.8 : room),
      color: theme.foreground,
      anchor: axes.length === 1 ? "middle" : i === 0 ? "start" : isLast ? "end" : "middle",
      size: 12,
      bold: true,
    });
    let before = Infinity;
    for (const { share, text } of scale.ticks) {
      const y = toY(share);
      if (before - y < 13) continue;
      before = y;
      const room = isLast || axes.length === 1 ? lastSide - 8 : gap - 12;
      labels.push({
        x: places[i]! + 6,
        y: y + 4,
        text: shortenMiddle(text, room),
        color: theme.foreground,
        anchor: "start",
        size: 11,
        halo: theme.background,
      });
    }
  });
  // Thousands of runs are a few paths.
  const faint = select("faint");
  const byColor = new Map<string, ParallelLine[]>();
  for (const line of select("normal")) {
    const drawn = byColor.get(getShade(line));
    if (drawn === undefined) byColor.set(getShade(line), [line]);
    else drawn.push(line);
  }
  const faces: Face[] = [];
  if (shading !== undefined) {
    const y = height - 20;
    const [from, to] = [area.left, Math.min(area.right, area.left + 180)];
    const barWidth = (to - from) / bars;
    for (let i = 0; i < bars; i++) {
      const x = from + i * barWidth;
      faces.push(createRectangle(x, y, barWidth, 8, getScaleColor(i / (bars - 1), theme.ground)));
    }
    const text = `${shading.title}: ${shading.from} to ${shading.to}`;
    labels.push({ x: to + 10, y: y + 8, text, color: theme.foreground, anchor: "start", size: 11 });
  }
  return {
    title,
    width,
    height,
    background: theme.background,
    font: theme.font,
    area: { ...area, left: 0, right: width, top: top - 8, bottom: area.bottom + 8 },
    faces,
    grid: places.map((x) =>
      createLine(
        [
          { x, y: area.top },
          { x, y: area.bottom },
        ],
        theme.foreground,
        1,
        0.7,
      ),
    ),
    strokes: [
      ...(faint.length === 0 ? [] : [stroke(faint, theme.muted, 1, theme.highContrast ? 0.35 : 0.2)]),
      ...[...byColor].map(([color, drawn]) => stroke(drawn, color, 1.6, 0.9)),
      ...select("strong").flatMap((line) => [
        stroke([line], theme.foreground, 5, 1),
        stroke([line], getShade(line), 2.5, 1),
      ]),
    ],
    marks: [],
    labels,
    places,
  };
}
