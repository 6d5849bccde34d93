/** Selects series from a history: thinned for drawing, or the new points that continue them. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Series, SeriesName, SeriesQuery } from "../../../protocol/service/metrics";
import type { LineRange, MetricColumns } from "./metricColumns";
import { thin } from "../../../statistics/thin";

const minPoints = 8;

/** Empty for a metric that the run has not reported yet. */
export function selectSeries(columns: MetricColumns, query: SeriesQuery): Series {
  const { points, logarithmic = false } = query;
  if (!Number.isInteger(points) || points < minPoints)
    throw new WorkbenchError(
      "invalid-input",
      `A series has at least ${minPoints} points, not ${points}. Request one point per pixel.`,
    );
  const all = selectPoints(columns, query, { from: 0, to: columns.rows });
  const places = thin(all.x, all.y, { points, logarithmic });
  return { ...toSeries(query, pickPoints(all, places), columns.rows), total: all.x.length };
}

/** All points of some lines. */
export function selectIncrement(columns: MetricColumns, name: SeriesName, lines: LineRange): Series {
  return toSeries(name, selectPoints(columns, name, lines), lines.to);
}

function toSeries({ run, metric, axis }: SeriesName, { x, y }: Points, lines: number): Series {
  return {
    run,
    metric,
    axis,
    x: Array.from(x),
    y: Array.from(y, (value) => (Number.isFinite(value) ? value : null)),
    total: x.length,
    lines,
  };
}

interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** The points of some lines on the requested part of the axis, in the order of the axis. */
function selectPoints(
  columns: MetricColumns,
  { metric, axis, from = -Infinity, to = Infinity }: SeriesName & Pick<SeriesQuery, "from" | "to">,
  lines: LineRange,
): Points {
  const column = columns.metrics.get(metric);
  if (column === undefined) return { x: new Float64Array(), y: new Float64Array() };
  const [first, end] = [column.indexOfRow(lines.from), column.indexOfRow(lines.to)];
  const rows = column.rows.values.subarray(first, end);
  const values = column.values.values.subarray(first, end);
  const positions = columns[axis].values;
  const x = new Float64Array(rows.length);
  const y = new Float64Array(rows.length);
  let count = 0;
  let ascending = true;
  for (let place = 0; place < rows.length; place++) {
    const at = positions[rows[place]!]!;
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
function sortPoints(points: Points): Points {
  const { x } = points;
  const order = Uint32Array.from(x, (_, place) => place).sort((a, b) => x[a]! - x[b]! || a - b);
  return pickPoints(points, order);
}

function pickPoints({ x, y }: Points, places: Uint32Array): Points {
  return {
    x: Float64Array.from(places, (place) => x[place]!),
    y: Float64Array.from(places, (place) => y[place]!),
  };
}
