/** Places on the axes of charts, as a person reads them. */
import type { Axis } from "../../src/protocol/service/metrics";
import { formatCount, formatDuration, formatNumber, formatShortCount } from "../../src/protocol/quantities";

export const axisNames: Readonly<Record<Axis, string>> = { step: "Steps", tokens: "Tokens", seconds: "Time" };

/** As exact as single precision is, in which losses are computed. */
export function formatExact(value: number): string {
  return formatNumber(value, 7);
}

/** Four digits, zeros at the end too, so that a column of them stays in line while it changes. */
export function formatReading(value: number): string {
  const magnitude = Math.abs(value);
  return magnitude >= 1e-3 && magnitude < 1000
    ? value.toPrecision(4).replace("-", "−")
    : formatScaleLabel(value);
}

/** The label of a tick of the vertical axis, as short as is exact. */
export function formatScaleLabel(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude === 0 || (magnitude >= 1e-3 && magnitude < 1e7)) return formatNumber(value, 5);
  return Number(value.toPrecision(4)).toExponential().replace("e+", "e").replaceAll("-", "−");
}

/** `step 1,200`, `1,200,000 tokens`, `3 min 20 s`. */
export function formatPosition(axis: Axis, value: number): string {
  if (axis === "step") return `step ${formatCount(value)}`;
  return axis === "tokens" ? `${formatCount(value)} tokens` : formatDuration(value);
}

/** `12 steps`, `3 min 20 s`. */
export function formatSpan(axis: Axis, value: number): string {
  if (axis === "seconds") return formatDuration(value);
  const amount = Math.max(1, Math.round(value));
  return `${formatShortCount(amount)} ${axis === "step" ? "step" : "token"}${amount === 1 ? "" : "s"}`;
}

/** The label of a tick of the horizontal axis. */
export function formatTickLabel(axis: Axis, value: number): string {
  if (axis === "seconds" && value < 10) return `${formatNumber(value, 2)} s`;
  return axis === "seconds" ? formatDuration(value).replace(/ 0 (s|min|h)$/, "") : formatShortCount(value);
}

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;
const timeSteps = [
  ...[1, 2, 5, 10, 15, 30],
  ...[1, 2, 5, 10, 15, 30].map((n) => n * minute),
  ...[1, 2, 3, 6, 12].map((n) => n * hour),
  ...[1, 2, 5, 10, 20, 50, 100].map((n) => n * day),
];

/** Distances of ticks at which a clock shows round numbers, where `maxTicks` of them fit. */
export function chooseTimeStep(range: number, maxTicks: number): number | undefined {
  const minStep = range / Math.max(1, maxTicks);
  return minStep < 1 ? undefined : timeSteps.find((step) => step >= minStep);
}
