/** Shares of a whole as horizontal bars, one below the other, each divided into the same parts in the same order. */
import type { StackedBarsData } from "../protocol/figures";
import { formatPercent } from "../protocol/quantities";
import { getFillColor } from "./matrix";
import type { Face, Label, Picture } from "./picture";
import { createHeading, createLine, createNote, createRectangle, placeLegend } from "./shapes";
import { shortenMiddle } from "./shortenHeading";
import { getTextColor } from "./textColor";
import type { ChartTheme } from "./theme";

export interface StackedBarsOptions {
  readonly title: string;
  readonly theme: ChartTheme;
  readonly width: number;
}

const [head, maxSide, rowHeight, bar, right] = [40, 250, 28, 22, 18];
const minLabelWidth = 34;

export function createStackedBarsPicture(
  { parts, rows }: StackedBarsData,
  { title, theme, width }: StackedBarsOptions,
): Picture {
  // Names leave two thirds of a narrow picture to the bars.
  const side = Math.min(maxSide, width / 3);
  const area = { left: side, top: head, right: width - right, bottom: head + rows.length * rowHeight };
  const toX = (share: number) => area.left + share * (area.right - area.left);
  const describe = (row: number, part: number) =>
    `${rows[row]!.name}: ${parts[part]!}, ${formatPercent(rows[row]!.shares[part]!)}`;
  const edges: number[][] = [];
  // The later a part, the stronger its color.
  const colors = parts.map((_, i) =>
    getFillColor(-(0.25 + (0.75 * i) / Math.max(1, parts.length - 1)), 1, theme),
  );
  const faces: Face[] = [];
  const labels: Label[] = [createHeading(title, width, theme)];
  for (const [row, { name, shares }] of rows.entries()) {
    const y = area.top + row * rowHeight;
    const middle = y + bar / 2 + 4;
    labels.push(createNote({ x: side - 8, y: middle }, shortenMiddle(name, side - 8), "end", theme));
    let sum = 0;
    edges.push([toX(0)]);
    for (const [i, share] of shares.entries()) {
      const [from, to] = [toX(sum), toX(sum + share)];
      sum += share;
      edges[row]!.push(to);
      if (share === 0) continue;
      const color = colors[i]!;
      faces.push({ ...createRectangle(from, y, to - from, bar, color), title: describe(row, i) });
      if (to - from < minLabelWidth) continue;
      const x = (from + to) / 2;
      labels.push({
        ...{ x, y: middle, text: `${Math.round(100 * share)} %`, anchor: "middle", size: 11 },
        color: getTextColor(color),
      });
    }
  }
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  for (const tick of ticks)
    labels.push(createNote({ x: toX(tick), y: area.bottom + 14 }, `${100 * tick} %`, "middle", theme));
  const legend = placeLegend(parts, { left: 0, top: area.bottom + 38, width, room: 30 });
  for (const [i, name] of parts.entries()) {
    const { x, y } = legend.places[i]!;
    faces.push(createRectangle(x, y - 9, 12, 10, colors[i]!));
    labels.push(createNote({ x: x + 18, y }, name, "start", theme));
  }
  return {
    title,
    width,
    height: legend.bottom + 12,
    background: theme.background,
    font: theme.font,
    area,
    faces,
    grid: ticks.map((tick) =>
      createLine(
        [
          { x: toX(tick), y: area.top - 4 },
          { x: toX(tick), y: area.bottom },
        ],
        theme.grid,
      ),
    ),
    strokes: [],
    marks: [],
    labels,
    readings: {
      y: Array.from({ length: rows.length + 1 }, (_, row) => area.top + row * rowHeight),
      x: edges,
      describe,
    },
  };
}
