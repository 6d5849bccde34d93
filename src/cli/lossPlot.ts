/** A small plot of the training and validation loss for a terminal. */
import type { Point, RunHistory } from "./runHistory";
import type { Colors } from "./terminal";
import { drawCurves, type PlotCurve } from "./textPlot";

const height = 10;
const labelWidth = 8;
const maxColumns = 80;

interface Range {
  readonly first: number;
  readonly last: number;
}

/** One value a column: the mean of the points in it, and between points a straight line. */
export function resample(points: readonly Point[], { first, last }: Range, columns: number): number[] {
  const sums = new Float64Array(columns);
  const counts = new Float64Array(columns);
  const span = Math.max(last - first, 1e-9);
  for (const { step, value } of points) {
    const column = Math.min(columns - 1, Math.max(0, Math.floor(((step - first) / span) * columns)));
    sums[column]! += value;
    counts[column]! += 1;
  }
  const filledColumns = [...counts.keys()].filter((column) => counts[column]! > 0);
  const getMean = (column: number) => sums[column]! / counts[column]!;
  return Array.from({ length: columns }, (_, column) => {
    const next = filledColumns.find((each) => each >= column);
    const previous = filledColumns.findLast((each) => each <= column);
    if (previous === undefined || next === undefined) return getMean((previous ?? next)!);
    if (previous === next) return getMean(column);
    return (
      getMean(previous) + ((getMean(next) - getMean(previous)) * (column - previous)) / (next - previous)
    );
  });
}

function formatLabel(value: number): string {
  const digits = Math.abs(value) >= 1000 ? 0 : 3;
  return value.toFixed(digits).padStart(labelWidth);
}

const drawLossCurves = (curves: readonly PlotCurve[]) => drawCurves(curves, { height, label: formatLabel });

/** Undefined if there are fewer than two points of training loss. Without colors each curve gets a plot of its own. */
export function plotLoss(history: RunHistory, width: number, colors: Colors): string | undefined {
  const { train, evaluation } = history;
  const steps = [...train, ...evaluation].map(({ step }) => step);
  if (train.length < 2) return undefined;
  const range = steps.reduce<Range>(
    ({ first, last }, step) => ({ first: Math.min(first, step), last: Math.max(last, step) }),
    { first: Infinity, last: -Infinity },
  );
  const columns = Math.max(10, Math.min(maxColumns, width - labelWidth - 3));
  const curve = resample(train, range, columns);
  const axis = `${" ".repeat(labelWidth + 1)}${range.first}${`${range.last}`.padStart(columns - `${range.first}`.length)}`;
  const plotCurve = (name: string, values: readonly number[]) => [
    name,
    drawLossCurves([{ values, paint: String }]),
    axis,
  ];
  if (evaluation.length < 2) return plotCurve("train/loss", curve).join("\n");
  const validation = resample(evaluation, range, columns);
  if (colors.enabled) {
    const title = `${colors.cyan("train/loss")}  ${colors.yellow("eval/loss")}`;
    const curves = [
      { values: curve, paint: colors.cyan },
      { values: validation, paint: colors.yellow },
    ];
    return [title, drawLossCurves(curves), axis].join("\n");
  }
  return [...plotCurve("train/loss", curve), "", ...plotCurve("eval/loss", validation)].join("\n");
}
