/** From a chart to the picture of it: what is on the screen, with title and legend. */
import type { Points } from "./curve";
import type { Drawing, View } from "../kit/drawing";
import { axisNames } from "../kit/figures";
import { markPlaces, type Place } from "../../src/pictures/markPlaces";
import type { LossChart } from "./lossChart";
import { colorOf, dashOf, markOf } from "../../src/pictures/palette";
import type { Label, Mark, Picture, Stroke } from "../../src/pictures/picture";
import type { ChartTheme } from "../../src/pictures/theme";

const head = 34;
const legendRow = 20;
const textSize = 11;

export function pictureOf(
  title: string,
  chart: LossChart,
  drawing: Drawing,
  view: View,
  theme: ChartTheme,
  metricNames: boolean,
): Picture {
  const { x, y } = chart.scales;
  const moved = {
    left: chart.area.left,
    right: chart.area.right,
    top: chart.area.top + head,
    bottom: chart.area.bottom + head,
  };
  const down = (points: Points) =>
    connected(
      points,
      (at) => x.getPixelForValue(at),
      (at) => y.getPixelForValue(at) + head,
    );
  const rule = (from: Place, to: Place): Stroke => ({
    pieces: [[from, to]],
    color: opaque(theme.muted),
    opacity: 0.2,
    width: 1,
    dash: [],
  });
  const label = (text: string, place: Place, anchor: Label["anchor"]): Label => ({
    ...place,
    text,
    anchor,
    color: theme.muted,
    size: textSize,
  });
  const lines = drawing.lines.map((line) => {
    const color = colorOf(line.slot, theme.ground);
    const pieces = down(line.bold);
    const visible = pieces
      .flat()
      .filter(
        (point) =>
          point.x >= moved.left - 1 &&
          point.x <= moved.right + 1 &&
          point.y >= moved.top - 1 &&
          point.y <= moved.bottom + 1,
      );
    return {
      strokes: [
        ...(line.faint === undefined
          ? []
          : [{ pieces: down(line.faint), color, opacity: 0.25, width: 1, dash: [] }]),
        { pieces, color, opacity: 1, width: 1.6, dash: dashOf(line.place) },
      ],
      marks: markPlaces(visible, line.slot).map((place): Mark => ({
        ...place,
        shape: markOf(line.slot),
        color,
      })),
    };
  });
  const legend = legendOf(
    drawing,
    theme,
    metricNames,
    chart.canvas.clientHeight + head + 14,
    chart.canvas.clientWidth,
  );
  return {
    title,
    width: chart.canvas.clientWidth,
    height: legend.bottom,
    background: theme.background,
    font: theme.font,
    area: moved,
    grid: [
      ...x.ticks
        .map(({ value }) => x.getPixelForValue(value))
        .map((at) => rule({ x: at, y: moved.top }, { x: at, y: moved.bottom })),
      ...y.ticks
        .map(({ value }) => y.getPixelForValue(value) + head)
        .map((at) => rule({ x: moved.left, y: at }, { x: moved.right, y: at })),
      ...legend.strokes,
    ],
    strokes: lines.flatMap(({ strokes }) => strokes),
    marks: [...lines.flatMap(({ marks }) => marks), ...legend.marks],
    labels: [
      { x: moved.left, y: 22, text: title, color: theme.foreground, anchor: "start", size: 14, bold: true },
      ...x.ticks.map((tick) =>
        label(textOf(tick.label), { x: x.getPixelForValue(tick.value), y: moved.bottom + 17 }, "middle"),
      ),
      ...y.ticks.map((tick) =>
        label(textOf(tick.label), { x: moved.left - 7, y: y.getPixelForValue(tick.value) + head + 4 }, "end"),
      ),
      label(axisNames[view.axis], { x: (moved.left + moved.right) / 2, y: moved.bottom + 34 }, "middle"),
      ...legend.labels,
    ],
  };
}

/** A legend of rows under the chart, with as much room for each entry as its text takes. */
function legendOf(drawing: Drawing, theme: ChartTheme, metricNames: boolean, top: number, width: number) {
  const strokes: Stroke[] = [];
  const marks: Mark[] = [];
  const labels: Label[] = [];
  let [x, y] = [16, top];
  for (const line of drawing.lines) {
    const text = metricNames ? `${line.name} · ${line.metric}` : line.name;
    const room = 44 + text.length * 6.4;
    if (x > 16 && x + room > width) [x, y] = [16, y + legendRow];
    const color = colorOf(line.slot, theme.ground);
    strokes.push({
      pieces: [
        [
          { x, y },
          { x: x + 26, y },
        ],
      ],
      color,
      opacity: 1,
      width: 1.6,
      dash: dashOf(line.place),
    });
    marks.push({ x: x + 13, y, shape: markOf(line.slot), color });
    labels.push({ x: x + 32, y: y + 4, text, color: theme.foreground, anchor: "start", size: textSize });
    x += room;
  }
  return { strokes, marks, labels, bottom: y + legendRow };
}

function connected(
  points: Points,
  toX: (value: number) => number,
  toY: (value: number) => number,
): Place[][] {
  const pieces: Place[][] = [];
  let piece: Place[] = [];
  points.x.forEach((at, i) => {
    const value = points.y[i] ?? null;
    if (value !== null) return void piece.push({ x: toX(at), y: toY(value) });
    if (piece.length > 0) pieces.push(piece);
    piece = [];
  });
  return piece.length > 0 ? [...pieces, piece] : pieces;
}

function textOf(label: string | string[] | undefined): string {
  return [label ?? ""].flat().join(" ");
}

/** Separates opacity from color, because not every SVG reader supports both in one value. */
function opaque(color: string): string {
  return /^#[\da-f]{8}$/i.test(color) ? color.slice(0, 7) : color;
}
