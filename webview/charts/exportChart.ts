/** Saves a chart: as a picture of what is seen, or all of its points, also those that the picture thins. */
import type { Host } from "../../src/protocol/page";
import type { ChartView, PictureFormat } from "./chartView";
import type { CurveFeed } from "./curveFeed";
import { formatCurvesCsv } from "./curvesCsv";
import { referenceSlot } from "../../src/pictures/palette";
import { createChartPicture } from "./chartPicture";
import { renderPng } from "../kit/picturePng";
import { renderSvg } from "../../src/pictures/svg";
import { readTheme } from "../kit/chartColors";

export async function exportChart(
  host: Pick<Host, "request">,
  view: ChartView,
  feed: CurveFeed,
  format: PictureFormat,
): Promise<void> {
  const { content, drawing, chart } = view;
  if (content === undefined) return;
  const name = `${content.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "chart"}.${format}`;
  if (format === "csv") {
    const curves = await Promise.all(
      drawing.lines.map(async (line) => ({
        name: line.name,
        metric: line.metric,
        points:
          line.slot === referenceSlot || line.isDerived === true
            ? line.points
            : await feed.readAllPoints(line),
      })),
    );
    await host.request("page.save", {
      name,
      content: { text: formatCurvesCsv(curves, content.view.xMetric ?? content.view.axis) },
    });
    return;
  }
  const hasSeveral = content.metrics.length > 1;
  const picture = createChartPicture(content.title, chart, drawing, content.view, readTheme(), hasSeveral);
  const fileContent = format === "svg" ? { text: renderSvg(picture) } : { base64: renderPng(picture) };
  await host.request("page.save", { name, content: fileContent });
}
