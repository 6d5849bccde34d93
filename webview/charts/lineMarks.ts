/** Marks along each line, so that runs can be distinguished without color. */
import type { Plugin } from "chart.js";
import { placeMarks, markSize } from "../../src/pictures/placeMarks";
import { getMark } from "../../src/pictures/palette";

declare module "chart.js" {
  // Of the run that the line belongs to; a line without one gets no marks.
  interface LineControllerDatasetOptions {
    slot?: number;
  }
}

export const lineMarks: Plugin<"line"> = {
  id: "lineMarks",
  afterDatasetsDraw(chart) {
    const { ctx, chartArea: area } = chart;
    chart.data.datasets.forEach((dataset, i) => {
      if (dataset.slot === undefined) return;
      const visiblePoints = chart
        .getDatasetMeta(i)
        .data.map(({ x, y }) => ({ x, y }))
        .filter(
          ({ x, y }) => x >= area.left && x <= area.right + 1 && y >= area.top - 1 && y <= area.bottom + 1,
        );
      const mark = new Path2D(getMark(dataset.slot));
      ctx.save();
      ctx.fillStyle = dataset.borderColor as string;
      for (const { x, y } of placeMarks(visiblePoints, dataset.slot)) {
        ctx.setTransform(chart.currentDevicePixelRatio, 0, 0, chart.currentDevicePixelRatio, 0, 0);
        ctx.translate(x, y);
        ctx.scale(markSize, markSize);
        ctx.fill(mark);
      }
      ctx.restore();
    });
  },
};
