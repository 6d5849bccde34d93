/** Marks along each line, so that runs are told apart without their colours. */
import type { Plugin } from "chart.js";
import { markOf } from "./palette";

declare module "chart.js" {
  // Of the run that the line belongs to; a line without one gets no marks.
  interface LineControllerDatasetOptions {
    slot?: number;
  }
}

export const markSize = 3.2;
/** Pixels between two marks of a line. */
const apart = 280;

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** Where marks stand on a line given in pixels: at its end, and on the way at places that differ by slot. */
export function markPlaces(points: readonly Place[], slot: number): Place[] {
  const visible = points.filter(({ x, y }) => !Number.isNaN(x) && !Number.isNaN(y));
  const last = visible.at(-1);
  if (last === undefined) return [];
  const places: Place[] = [];
  let next = visible[0]!.x + 60 + ((slot * 67) % apart);
  for (const point of visible) {
    if (point.x < next || last.x - point.x < 24) continue;
    places.push(point);
    next = point.x + apart;
  }
  return [...places, last];
}

export const lineMarks: Plugin<"line"> = {
  id: "lineMarks",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area } = chart;
    chart.data.datasets.forEach((dataset, i) => {
      if (dataset.slot === undefined) return;
      const inside = chart
        .getDatasetMeta(i)
        .data.map(({ x, y }) => ({ x, y }))
        .filter(
          ({ x, y }) => x >= area.left && x <= area.right + 1 && y >= area.top - 1 && y <= area.bottom + 1,
        );
      const mark = new Path2D(markOf(dataset.slot));
      ctx.save();
      ctx.fillStyle = dataset.borderColor as string;
      for (const { x, y } of markPlaces(inside, dataset.slot)) {
        ctx.setTransform(chart.currentDevicePixelRatio, 0, 0, chart.currentDevicePixelRatio, 0, 0);
        ctx.translate(x, y);
        ctx.scale(markSize, markSize);
        ctx.fill(mark);
      }
      ctx.restore();
    });
  },
};
