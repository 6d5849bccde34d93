/** Curves as CSV, one point a row, so that any table program can group them by run and metric. */
import { formatCsv } from "../../src/protocol/csv";
import type { Points } from "./curve";

export interface NamedCurve {
  readonly name: string;
  readonly metric: string;
  readonly points: Points;
}

export function formatCurvesCsv(curves: readonly NamedCurve[], axis: string): string {
  const rows = curves.flatMap(({ name, metric, points }) =>
    points.x.map((x, i) => [name, metric, x, points.y[i]]),
  );
  return formatCsv([["run", "metric", axis, "value"], ...rows]);
}
