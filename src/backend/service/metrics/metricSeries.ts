/** The part of a history that a curve shows. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Series, SeriesQuery } from "../../../protocol/service/metrics";
import type { MetricColumns } from "./metricColumns";
import { thin } from "./thin";

const fewestPoints = 8;

/** Empty for a metric that the run has not reported yet. */
export function seriesOf(columns: MetricColumns, query: SeriesQuery): Series {
  const { run, metric, axis, points, logarithmic = false } = query;
  if (!Number.isInteger(points) || points < fewestPoints)
    throw new WorkbenchError(
      "invalid-input",
      `A series has at least ${fewestPoints} points, not ${points}. Request one point per pixel.`,
    );
  const { x, y } = selectPoints(columns, query);
  const places = thin(x, y, { points, logarithmic });
  return {
    run,
    metric,
    axis,
    x: Array.from(places, (place) => x[place]!),
    y: Array.from(places, (place) => (Number.isFinite(y[place]) ? y[place]! : null)),
    total: x.length,
    lines: columns.rows,
  };
}

interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** The points on the requested part of the axis, in the order of the axis. */
function selectPoints(columns: MetricColumns, query: SeriesQuery): Points {
  const { from = -Infinity, to = Infinity } = query;
  const column = columns.metrics.get(query.metric);
  if (column === undefined) return { x: new Float64Array(), y: new Float64Array() };
  const rows = column.rows.values;
  const values = column.values.values;
  const axis = columns[query.axis].values;
  const x = new Float64Array(rows.length);
  const y = new Float64Array(rows.length);
  let count = 0;
  let ascending = true;
  for (let place = 0; place < rows.length; place++) {
    const at = axis[rows[place]!]!;
    if (!(at >= from && at <= to)) continue; // A line without a token count has no position on the token axis.
    if (count > 0 && at < x[count - 1]!) ascending = false;
    x[count] = at;
    y[count] = values[place]!;
    count++;
  }
  const points = { x: x.subarray(0, count), y: y.subarray(0, count) };
  return ascending ? points : sortPoints(points);
}

/**
 * Sorts a history whose axis runs backwards, as when files were joined by hand, so it is drawn from left to right.
 */
function sortPoints({ x, y }: Points): Points {
  const order = Uint32Array.from(x, (_, place) => place).sort((a, b) => x[a]! - x[b]! || a - b);
  return {
    x: Float64Array.from(order, (place) => x[place]!),
    y: Float64Array.from(order, (place) => y[place]!),
  };
}
