/** Places on the axes of charts, as a person reads them. */
import type { Axis } from "../../src/protocol/service/metrics";
import { count, duration, figure, shortCount } from "../../src/protocol/quantities";

export const axisNames: Readonly<Record<Axis, string>> = { step: "Steps", tokens: "Tokens", seconds: "Time" };

/** As exact as single precision is, in which losses are computed. */
export function exact(value: number): string {
  return figure(value, 7);
}

/** Four digits, zeros at the end too, so that a column of them stays in line while it changes. */
export function reading(value: number): string {
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1000 ? value.toPrecision(4).replace("-", "−") : scaleLabel(value);
}

/** The label of a tick of the vertical axis, as short as is exact. */
export function scaleLabel(value: number): string {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e7)) return figure(value, 5);
  return Number(value.toPrecision(4)).toExponential().replace("e+", "e").replaceAll("-", "−");
}

/** `step 1,200`, `1,200,000 tokens`, `3 min 20 s`. */
export function place(axis: Axis, value: number): string {
  if (axis === "step") return `step ${count(value)}`;
  return axis === "tokens" ? `${count(value)} tokens` : duration(value);
}

/** `12 steps`, `3 min 20 s`. */
export function stretch(axis: Axis, value: number): string {
  if (axis === "seconds") return duration(value);
  const amount = Math.max(1, Math.round(value));
  return `${shortCount(amount)} ${axis === "step" ? "step" : "token"}${amount === 1 ? "" : "s"}`;
}

/** The label of a tick of the horizontal axis. */
export function tickLabel(axis: Axis, value: number): string {
  if (axis === "seconds" && value < 10) return `${figure(value, 2)} s`;
  return axis === "seconds" ? duration(value).replace(/ 0 (s|min|h)$/, "") : shortCount(value);
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

/** Distances of ticks at which a clock shows round numbers, where `most` of them fit. */
export function timeStep(range: number, most: number): number | undefined {
  const least = range / Math.max(1, most);
  return least < 1 ? undefined : timeSteps.find((step) => step >= least);
}
