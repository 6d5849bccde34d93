/** A small plot of the training and validation loss for a terminal. */
import type { Point, RunHistory } from "./runHistory";
import type { Colors } from "./terminal";
import { drawCurves, type PlotCurve } from "./textPlot";

const height = 10;
const labelWidth = 8;
const mostColumns = 80;

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
  const known = [...counts.keys()].filter((column) => counts[column]! > 0);
  const mean = (column: number) => sums[column]! / counts[column]!;
  return Array.from({ length: columns }, (_, column) => {
    const after = known.find((each) => each >= column);
    const before = known.findLast((each) => each <= column);
    if (before === undefined || after === undefined) return mean((before ?? after)!);
    if (before === after) return mean(column);
    return mean(before) + ((mean(after) - mean(before)) * (column - before)) / (after - before);
  });
}

function label(value: number): string {
  const digits = Math.abs(value) >= 1000 ? 0 : 3;
  return value.toFixed(digits).padStart(labelWidth);
}

const draw = (curves: readonly PlotCurve[]) => drawCurves(curves, { height, label });

/** Undefined if there are fewer than two points of training loss. Without colors each curve gets a plot of its own. */
export function lossPlot(history: RunHistory, width: number, colors: Colors): string | undefined {
  const { train, evaluation } = history;
  const steps = [...train, ...evaluation].map(({ step }) => step);
  if (train.length < 2) return undefined;
  const range = steps.reduce<Range>(
    ({ first, last }, step) => ({ first: Math.min(first, step), last: Math.max(last, step) }),
    { first: Infinity, last: -Infinity },
  );
  const columns = Math.max(10, Math.min(mostColumns, width - labelWidth - 3));
  const curve = resample(train, range, columns);
  const axis = `${" ".repeat(labelWidth + 1)}${range.first}${`${range.last}`.padStart(columns - `${range.first}`.length)}`;
  const plain = (name: string, values: readonly number[]) => [name, draw([{ values, paint: String }]), axis];
  if (evaluation.length < 2) return plain("train/loss", curve).join("\n");
  const validation = resample(evaluation, range, columns);
  if (colors.enabled) {
    const title = `${colors.cyan("train/loss")}  ${colors.yellow("eval/loss")}`;
    const curves = [
      { values: curve, paint: colors.cyan },
      { values: validation, paint: colors.yellow },
    ];
    return [title, draw(curves), axis].join("\n");
  }
  return [...plain("train/loss", curve), "", ...plain("eval/loss", validation)].join("\n");
}
