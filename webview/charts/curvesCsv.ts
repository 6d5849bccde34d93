/** Curves as CSV, one point a row, so that any table program can group them by run and metric. */
import type { Axis } from "../../src/protocol/service/metrics";
import type { Points } from "./curve";

export interface NamedCurve {
  readonly name: string;
  readonly metric: string;
  readonly points: Points;
}

export function csvOf(curves: readonly NamedCurve[], axis: Axis): string {
  const rows = curves.flatMap(({ name, metric, points }) =>
    points.x.map((x, i) => [cell(name), cell(metric), x, points.y[i] ?? ""].join(",")),
  );
  return [`run,metric,${axis},value`, ...rows, ""].join("\r\n");
}

/** A table program takes text that begins like a formula for one, unless a quote stands before it. */
function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
