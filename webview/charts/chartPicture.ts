/** From a chart to the picture of it: what is on the screen, with title and legend. */
import type { Points } from "./curve";
import type { Drawing, View } from "../kit/drawing";
import { axisNames } from "../kit/figures";
import { placeMarks, type Point } from "../../src/pictures/placeMarks";
import type { LossChart } from "./lossChart";
import { getColor, getDash, getMark } from "../../src/pictures/palette";
import type { Label, Mark, Picture, Stroke } from "../../src/pictures/picture";
import type { ChartTheme } from "../../src/pictures/theme";

const head = 34;
const legendRow = 20;
const textSize = 11;

export function createChartPicture(
  title: string,
  chart: LossChart,
  drawing: Drawing,
  view: View,
  theme: ChartTheme,
  metricNames: boolean,
): Picture {
  const { x, y } = chart.scales;
  const area = {
    left: chart.area.left,
    right: chart.area.right,
    top: chart.area.top + head,
    bottom: chart.area.bottom + head,
  };
  const toPieces = (points: Points) =>
    connectPoints(
      points,
      (at) => x.getPixelForValue(at),
      (at) => y.getPixelForValue(at) + head,
    );
  const createGridLine = (from: Point, to: Point): Stroke => ({
    pieces: [[from, to]],
    color: removeOpacity(theme.muted),
    opacity: 0.2,
    width: 1,
    dash: [],
  });
  const label = (text: string, position: Point, anchor: Label["anchor"]): Label => ({
    ...position,
    text,
    anchor,
    color: theme.muted,
    size: textSize,
  });
  const lines = drawing.lines.map((line) => {
    const color = getColor(line.slot, theme);
    const pieces = toPieces(line.bold);
    const visible = pieces
      .flat()
      .filter(
        (point) =>
          point.x >= area.left - 1 &&
          point.x <= area.right + 1 &&
          point.y >= area.top - 1 &&
          point.y <= area.bottom + 1,
      );
    return {
      strokes: [
        ...[...(line.members ?? []), ...(line.band === undefined ? [] : [line.band.low, line.band.high])].map(
          (points) => ({ pieces: toPieces(points), color, opacity: 0.4, width: 0.8, dash: [] }),
        ),
        ...(line.faint === undefined || line.isSubdued === true
          ? []
          : [{ pieces: toPieces(line.faint), color, opacity: 0.25, width: 1, dash: [] }]),
        line.isSubdued === true
          ? { pieces, color, opacity: 0.45, width: 1, dash: getDash(line.place) }
          : { pieces, color, opacity: 1, width: 1.6, dash: getDash(line.place) },
      ],
      marks: (line.isSubdued === true ? [] : placeMarks(visible, line.slot)).map((position): Mark => ({
        ...position,
        shape: getMark(line.slot),
        color,
      })),
    };
  });
  const legend = createLegend(
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
    area: area,
    grid: [
      ...x.ticks
        .map(({ value }) => x.getPixelForValue(value))
        .map((at) => createGridLine({ x: at, y: area.top }, { x: at, y: area.bottom })),
      ...y.ticks
        .map(({ value }) => y.getPixelForValue(value) + head)
        .map((at) => createGridLine({ x: area.left, y: at }, { x: area.right, y: at })),
      ...legend.strokes,
    ],
    strokes: lines.flatMap(({ strokes }) => strokes),
    marks: [...lines.flatMap(({ marks }) => marks), ...legend.marks],
    labels: [
      { x: area.left, y: 22, text: title, color: theme.foreground, anchor: "start", size: 14, bold: true },
      ...x.ticks.map((tick) =>
        label(toText(tick.label), { x: x.getPixelForValue(tick.value), y: area.bottom + 17 }, "middle"),
      ),
      ...y.ticks.map((tick) =>
        label(toText(tick.label), { x: area.left - 7, y: y.getPixelForValue(tick.value) + head + 4 }, "end"),
      ),
      label(
        view.xMetric ?? axisNames[view.axis],
        { x: (area.left + area.right) / 2, y: area.bottom + 34 },
        "middle",
      ),
      ...legend.labels,
    ],
  };
}

/** A legend of rows under the chart, with as much room for each entry as its text takes. */
function createLegend(drawing: Drawing, theme: ChartTheme, metricNames: boolean, top: number, width: number) {
  const strokes: Stroke[] = [];
  const marks: Mark[] = [];
  const labels: Label[] = [];
  let [x, y] = [16, top];
  for (const line of drawing.lines) {
    const text = metricNames ? `${line.name} · ${line.metric}` : line.name;
    const entryWidth = 44 + text.length * 6.4;
    if (x > 16 && x + entryWidth > width) [x, y] = [16, y + legendRow];
    const color = getColor(line.slot, theme);
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
      dash: getDash(line.place),
    });
    marks.push({ x: x + 13, y, shape: getMark(line.slot), color });
    labels.push({ x: x + 32, y: y + 4, text, color: theme.foreground, anchor: "start", size: textSize });
    x += entryWidth;
  }
  return { strokes, marks, labels, bottom: y + legendRow };
}

function connectPoints(
  points: Points,
  toX: (value: number) => number,
  toY: (value: number) => number,
): Point[][] {
  const pieces: Point[][] = [];
  let piece: Point[] = [];
  points.x.forEach((at, i) => {
    const value = points.y[i] ?? null;
    if (value !== null) return void piece.push({ x: toX(at), y: toY(value) });
    if (piece.length > 0) pieces.push(piece);
    piece = [];
  });
  return piece.length > 0 ? [...pieces, piece] : pieces;
}

function toText(label: string | string[] | undefined): string {
  return [label ?? ""].flat().join(" ");
}

/** Separates opacity from color, because not every SVG reader supports both in one value. */
function removeOpacity(color: string): string {
  return /^#[\da-f]{8}$/i.test(color) ? color.slice(0, 7) : color;
}
