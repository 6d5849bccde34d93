/** Histograms of one tensor over steps as ridgelines: the first step is farthest away, and nearer lines hide farther ones. */
import { binCount, countValues, getBinEdges, type Spread, zeroBin } from "../protocol/watch";
import { formatCount, formatNumber } from "../protocol/quantities";
import { computeLinearTicks } from "./axisTicks";
import { getColor } from "./palette";
import type { Face, Label, Picture, Stroke } from "./picture";
import type { Point } from "./placeMarks";
import { createHeading, createLine, createNote } from "./shapes";
import type { ChartTheme } from "./theme";

export interface Ridge {
  readonly step: number;
  readonly spread: Spread;
}

export interface RidgesPictureOptions {
  readonly title: string;
  readonly ridges: readonly Ridge[];
  /** The step that is emphasized. */
  readonly chosen: number | undefined;
  readonly theme: ChartTheme;
  readonly width: number;
}

/** More lines than these cannot be distinguished. */
const maxRidges = 32;
/** Columns over which a histogram is drawn. */
export const columns = 100;
/** Share of the values of a step that may be beyond the picture on each side: an outlier does not squeeze all others. */
const tail = 0.002;
const [left, top, foot, spacing] = [64, 40, 34, 11];

export function createRidgesPicture({
  title,
  ridges: all,
  chosen,
  theme,
  width,
}: RidgesPictureOptions): Picture {
  const ridges = thinRidges(all, chosen);
  const [low, high] = findRange(all);
  const peak = Math.max(64, Math.min(110, 16 * spacing - 6 * ridges.length));
  const area = {
    left,
    top,
    right: width - 14,
    bottom: top + peak + spacing * Math.max(0, ridges.length - 1),
  };
  const toX = (value: number) => area.left + ((value - low) / (high - low)) * (area.right - area.left);
  const label = (
    x: number,
    y: number,
    text: string,
    anchor: Label["anchor"],
    color = theme.muted,
  ): Label => ({
    ...createNote({ x, y }, text, anchor, theme),
    color,
  });
  const ticks = computeLinearTicks(low, high, width / 110);
  const baseOf = (i: number) => area.top + peak + i * spacing;
  const fill = mixColors(theme.background, getColor(0, theme), theme.highContrast ? 0 : 0.16);
  const lines = ridges.map(({ step, spread }, i): { face: Face; points: Point[]; isChosen: boolean } => {
    const densities = smooth(computeDensities(spread, low, high));
    const highest = Math.max(...densities) || 1;
    const points = densities.map((density, column) => ({
      x: toX(low + ((column + 0.5) / columns) * (high - low)),
      y: baseOf(i) - (density / highest) * peak * 0.92,
    }));
    const ends = [points[0]!, points.at(-1)!].map(({ x }) => ({ x, y: baseOf(i) }));
    return {
      face: { points: [ends[0]!, ...points, ends[1]!], color: fill },
      points,
      isChosen: step === chosen,
    };
  });
  return {
    title,
    width,
    height: area.bottom + foot,
    background: theme.background,
    font: theme.font,
    area,
    faces: lines.map(({ face }) => face),
    grid: ticks.map((tick) =>
      createLine(
        [
          { x: toX(tick), y: area.top },
          { x: toX(tick), y: area.bottom + 4 },
        ],
        theme.grid,
      ),
    ),
    strokes: hideLines(lines.map(({ points }) => points)).map((pieces, i): Stroke => {
      const age = ridges.length < 2 ? 1 : i / (ridges.length - 1);
      return {
        pieces,
        color: lines[i]!.isChosen ? getColor(1, theme) : getColor(0, theme),
        opacity: lines[i]!.isChosen || theme.highContrast ? 1 : 0.45 + 0.55 * age,
        width: lines[i]!.isChosen ? 2.4 : 1.2,
        dash: [],
      };
    }),
    marks: [],
    labels: [
      createHeading(title, width, theme),
      label(0, area.top - 6, "step", "start"),
      ...ticks.map((tick) => label(toX(tick), area.bottom + 19, formatNumber(tick, 3), "middle")),
      ...ridges.flatMap(({ step }, i) =>
        isLabeled(i, ridges.length) || step === chosen
          ? [
              label(
                area.left - 8,
                baseOf(i) + 4,
                formatCount(step),
                "end",
                step === chosen ? theme.foreground : theme.muted,
              ),
            ]
          : [],
      ),
    ],
  };
}

/** Steps are labeled evenly, with room for each label, and the last one in any case. */
function isLabeled(i: number, count: number): boolean {
  const every = Math.max(2, Math.ceil(count / 8));
  return i === count - 1 || (i % every === 0 && count - 1 - i >= 2);
}

/** Evenly spread ridges, with the first, the last and the chosen one. */
function thinRidges(ridges: readonly Ridge[], chosen: number | undefined): readonly Ridge[] {
  if (ridges.length <= maxRidges) return ridges;
  const places = Array.from({ length: maxRidges }, (_, i) =>
    Math.round((i * (ridges.length - 1)) / (maxRidges - 1)),
  );
  const kept = new Set(places);
  return ridges.filter(({ step }, i) => kept.has(i) || step === chosen);
}

/** The range that nearly all values of each step are in. */
function findRange(ridges: readonly Ridge[]): readonly [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const { spread } of ridges) {
    const total = countValues(spread);
    const lowest = findBin(spread, tail * total);
    const highest = findBin(spread, (1 - tail) * total);
    if (total === 0) continue;
    low = Math.min(low, Math.max(getBinEdges(lowest)[0], spread.min));
    high = Math.max(high, Math.min(getBinEdges(highest)[1], spread.max));
  }
  if (low < high) return [low, high];
  // All values are equal.
  const center = Number.isFinite(low) ? low : 0;
  const width = Math.abs(center) / 2 || 1;
  return [center - width, center + width];
}

/** The bin that the value of this rank is in. */
function findBin({ first, counts }: Spread, rank: number): number {
  let passed = 0;
  const place = counts.findIndex((count) => (passed += count) > rank);
  return Math.min(binCount - 1, first + (place < 0 ? counts.length - 1 : place));
}

/** Values per column. The bins are narrower than columns near zero and wider far from it. Exact zeros are left out. */
export function computeDensities({ first, counts, min, max }: Spread, low: number, high: number): number[] {
  const densities = new Array<number>(columns).fill(0);
  const scale = columns / (high - low);
  counts.forEach((count, i) => {
    if (count === 0 || first + i === zeroBin) return;
    const [from, to] = getBinEdges(first + i).map(
      (edge) => (Math.min(max, Math.max(min, edge)) - low) * scale,
    ) as [number, number];
    // Values that are all equal have no width.
    if (to - from < 1e-9) {
      const column = Math.floor(from);
      if (column >= 0 && column <= columns) densities[Math.min(columns - 1, column)]! += count;
      return;
    }
    for (let column = Math.max(0, Math.floor(from)); column < Math.min(columns, to); column++)
      densities[column]! += (count * (Math.min(to, column + 1) - Math.max(from, column))) / (to - from);
  });
  return densities;
}

/** The visible pieces of lines over the same columns, where nearer ones, which come later, hide farther ones. */
function hideLines(lines: readonly (readonly Point[])[]): Point[][][] {
  const horizon = new Array<number>(columns).fill(Infinity);
  const hide = (points: readonly Point[]): Point[][] => {
    const pieces: Point[][] = [];
    // A piece starts and ends at the line that hides its continuation.
    const edges = points.map(({ x }, column) => ({ x, y: Math.min(horizon[column]!, points[column]!.y) }));
    const isVisible = points.map(({ y }, column) => y <= horizon[column]!);
    for (let column = 0; column < columns; column++) {
      if (isVisible[column] !== true) continue;
      if (column === 0 || isVisible[column - 1] !== true)
        pieces.push(column === 0 ? [] : [edges[column - 1]!]);
      pieces.at(-1)!.push(points[column]!);
      if (isVisible[column + 1] === false) pieces.at(-1)!.push(edges[column + 1]!);
    }
    points.forEach(({ y }, column) => (horizon[column] = Math.min(horizon[column]!, y)));
    return pieces;
  };
  return lines.toReversed().map(hide).reverse();
}

/** A moving average over three columns: edges of bins do not show as steps. */
function smooth(values: readonly number[]): number[] {
  return values.map((value, i) => ((values[i - 1] ?? value) + 2 * value + (values[i + 1] ?? value)) / 4);
}

/** An opaque mixture of two colors in hexadecimal; the background itself if it is written in another way. */
function mixColors(background: string, color: string, share: number): string {
  const parse = (text: string) =>
    /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})/i
      .exec(text)
      ?.slice(1)
      .map((part) => parseInt(part, 16));
  const [from, to] = [parse(background), parse(color)];
  if (from === undefined || to === undefined) return background;
  const mixed = from.map((each, i) => Math.round(each + (to[i]! - each) * share));
  return `#${mixed.map((each) => each.toString(16).padStart(2, "0")).join("")}`;
}
