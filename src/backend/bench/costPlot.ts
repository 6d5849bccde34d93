/** Draws the cost table as SVG: one log-log chart of milliseconds per step for each axis. */
import { axes, type CostRow } from "./costTable";

const [width, height, margin] = [220, 180, 44];

export function renderCostPlot(rows: readonly CostRow[]): string {
  const charts = axes.map((axis, i) =>
    renderChart(
      axis,
      rows.filter((row) => row.axis === axis),
      i * (width + margin),
    ),
  );
  const [w, h] = [axes.length * (width + margin) + margin, height + 2 * margin];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" font-family="sans-serif" font-size="11">`,
    `<rect width="${w}" height="${h}" fill="white"/>`,
    ...charts,
    "</svg>",
    "",
  ].join("\n");
}

function renderChart(axis: string, rows: readonly CostRow[], left: number): string {
  const milliseconds = rows.map(({ speed }) => speed.secondsPerStep * 1000);
  const x = createScale(
    rows.map(({ value }) => value),
    left + margin,
    left + width,
  );
  const y = createScale(milliseconds, height + margin - 20, margin);
  const points = rows.map(({ value }, i) => [x(value), y(milliseconds[i]!)] as const);
  const mark = ([px, py]: readonly [number, number], i: number) =>
    `<circle cx="${px}" cy="${py}" r="3" fill="#0072b2"/>` +
    `<text x="${px}" y="${py - 7}" text-anchor="middle">${milliseconds[i]!.toPrecision(3)}</text>` +
    `<text x="${px}" y="${height + margin - 2}" text-anchor="middle">${rows[i]!.value}</text>`;
  return [
    `<text x="${left + margin}" y="20" font-weight="bold">milliseconds per step by ${axis}</text>`,
    `<polyline fill="none" stroke="#0072b2" stroke-width="2" points="${points.map((point) => point.join(",")).join(" ")}"/>`,
    ...points.map(mark),
  ].join("\n");
}

/** Returns a logarithmic scale from positive numbers to pixels. */
function createScale(numbers: readonly number[], from: number, to: number): (number: number) => number {
  const [low, high] = [Math.log(Math.min(...numbers)), Math.log(Math.max(...numbers))];
  return (number) =>
    Math.round((from + ((Math.log(number) - low) / (high - low || 1)) * (to - from)) * 10) / 10;
}
