/** Quality against size as a picture in pixels: the same on the screen and in a saved file. */
import { findExtremes } from "../statistics/extremes";
import { formatNumber, formatShortCount } from "../protocol/quantities";
import { getColor, getMark } from "./palette";
import type { Label, Mark, Picture, Stroke } from "./picture";
import type { ChartTheme } from "./theme";
import { computeLinearTicks } from "./axisTicks";
import { type Measure, measureTitles, type ShrinkPoint, type ShrinkData } from "../statistics/shrinkSeries";

export interface ShrinkPictureInput {
  readonly shrinking: ShrinkData;
  readonly measure: Measure;
  readonly metric: string;
  readonly front: readonly ShrinkPoint[];
  readonly theme: ChartTheme;
  readonly width: number;
  /** The color and mark of each series and then each baseline, as all pages show their runs; by their order without it. */
  readonly slots?: readonly (number | undefined)[];
}

const height = 340;
const [left, top, bottom] = [64, 34, 46];
const legendRow = 18;

export interface PlacedPoint {
  readonly series: string;
  readonly point: ShrinkPoint;
  readonly x: number;
  readonly y: number;
}

export function createShrinkPicture(
  input: ShrinkPictureInput,
): Picture & { readonly places: readonly PlacedPoint[] } {
  const { shrinking, measure, metric, front, theme, width } = input;
  const { series: plotted, baselines, published } = shrinking;
  const series = [...plotted, ...(published === undefined ? [] : [published])];
  const slots = assignDistinct(
    [...plotted.keys()].map((i) => input.slots?.[i]),
    published === undefined ? [] : [undefined],
    [...baselines.keys()].map((i) => input.slots?.[plotted.length + i]),
  );
  const points = series.flatMap((each) => each.points);
  const low = ({ mean, half = 0 }: ShrinkPoint["y"]) => mean - half;
  const high = ({ mean, half = 0 }: ShrinkPoint["y"]) => mean + half;
  const ys = [...points.map(({ y }) => y), ...baselines.map(({ y }) => y)];
  const xs = measure === "rate" ? [0, 1] : points.map(({ x }) => x);
  const xRange = findExtremes(xs);
  const [x0, x1] = padRange(xRange.min, xRange.max, 0.03);
  const [y0, y1] = padRange(findExtremes(ys.map(low)).min, findExtremes(ys.map(high)).max, 0.06);
  const area = { left, top, right: width - 16, bottom: height - bottom };
  const toX = (x: number) => area.left + ((x - x0) / (x1 - x0)) * (area.right - area.left);
  const toY = (y: number) => area.bottom - ((y - y0) / (y1 - y0)) * (area.bottom - area.top);

  const grid: Stroke[] = [];
  const labels: Label[] = [];
  const line = (from: [number, number], to: [number, number], color: string): Stroke => ({
    pieces: [[createPoint(...from), createPoint(...to)]],
    color,
    opacity: 1,
    width: 1,
    dash: [],
  });
  for (const tick of computeLinearTicks(y0, y1, 6)) {
    grid.push(line([area.left, toY(tick)], [area.right, toY(tick)], theme.grid));
    labels.push(createLabel(area.left - 8, toY(tick) + 4, formatNumber(tick, 4), theme.muted, "end"));
  }
  for (const tick of computeLinearTicks(x0, x1, width / 110)) {
    grid.push(line([toX(tick), area.top], [toX(tick), area.bottom], theme.grid));
    const text = measure === "rate" ? `${Math.round(tick * 100)} %` : formatShortCount(tick);
    labels.push(createLabel(toX(tick), area.bottom + 17, text, theme.muted, "middle"));
  }
  grid.push(line([area.left, area.bottom], [area.right, area.bottom], theme.muted));
  labels.push({ ...createLabel(0, 16, metric, theme.foreground, "start"), bold: true });
  labels.push(
    createLabel(
      (area.left + area.right) / 2,
      area.bottom + 36,
      measureTitles[measure],
      theme.muted,
      "middle",
    ),
  );

  const strokes: Stroke[] = [];
  const marks: Mark[] = [];
  const places: PlacedPoint[] = [];
  const legendNames = [...series.map(({ name }) => name), ...baselines.map(({ name }) => name)];
  for (const [i, each] of series.entries()) {
    const slot = slots[i]!;
    const { name, points: seriesPoints } = each;
    const color = getColor(slot, theme);
    // Published models are single points without a line.
    const isLine = each !== published;
    strokes.push({
      pieces: isLine ? [seriesPoints.map(({ x, y }) => createPoint(toX(x), toY(y.mean)))] : [],
      color,
      opacity: 1,
      width: 1.6,
      dash: [],
    });
    for (const point of seriesPoints) {
      const [x, y] = [toX(point.x), toY(point.y.mean)];
      if (point.y.half !== undefined)
        strokes.push({ ...line([x, toY(low(point.y))], [x, toY(high(point.y))], color), width: 1.2 });
      marks.push({ x, y, shape: getMark(slot), color });
      places.push({ series: name, point, x, y });
    }
  }
  for (const [i, { y }] of baselines.entries()) {
    const color = getColor(slots[series.length + i]!, theme);
    strokes.push({
      ...line([area.left, toY(y.mean)], [area.right, toY(y.mean)], color),
      width: 1.4,
      dash: [6, 4],
    });
  }
  if (front.length > 1)
    strokes.push({
      pieces: [front.map(({ x, y }) => createPoint(toX(x), toY(y.mean)))],
      color: theme.foreground,
      opacity: 0.8,
      width: 1.4,
      dash: [2, 3],
    });

  const legend = [
    ...legendNames.map((legendName, slot) => (slot >= series.length ? `${legendName} (dashed)` : legendName)),
    ...(front.length > 1 ? ["Pareto front (dotted)"] : []),
  ];
  let [x, y] = [area.left, height + 8];
  for (const [i, name] of legend.entries()) {
    const entryWidth = 26 + 7 * name.length;
    if (x + entryWidth > area.right && x > area.left) [x, y] = [area.left, y + legendRow];
    const slot = slots[i];
    if (slot !== undefined)
      marks.push({ x: x + 4, y: y - 4, shape: getMark(slot), color: getColor(slot, theme) });
    labels.push(createLabel(x + 14, y, name, theme.foreground, "start"));
    x += entryWidth;
  }
  return {
    title: `${metric} against ${measureTitles[measure].toLowerCase()}`,
    width,
    height: y + 12,
    background: theme.background,
    font: theme.font,
    area,
    grid,
    strokes,
    marks,
    labels,
    places,
  };
}

/** Those that are known keep theirs, unless an earlier one has it; the others take what is free. */
function assignDistinct(...parts: readonly (readonly (number | undefined)[])[]): number[] {
  const wanted = parts.flat();
  const used = new Set<number>();
  const take = (from: number): number => {
    let slot = from;
    while (used.has(slot)) slot++;
    used.add(slot);
    return slot;
  };
  const known = wanted.map((slot) => (slot === undefined ? undefined : take(slot)));
  return known.map((slot) => slot ?? take(0));
}

const createPoint = (x: number, y: number) => ({ x, y });

function createLabel(x: number, y: number, text: string, color: string, anchor: Label["anchor"]): Label {
  return { x, y, text, color, anchor, size: 12 };
}

/** A single value gets a range around it. */
function padRange(from: number, to: number, share: number): [number, number] {
  if (!(to > from))
    return [from - Math.max(Math.abs(from) * 0.05, 1e-6), from + Math.max(Math.abs(from) * 0.05, 1e-6)];
  return [from - share * (to - from), to + share * (to - from)];
}
