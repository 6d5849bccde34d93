/** Saves a chart: as a picture of what is seen, or all of its points, also those that the picture thins. */
import type { Host } from "../page";
import type { ChartView, PictureFormat } from "./chartView";
import type { CurveFeed } from "./curveFeed";
import { curvesCsv } from "./curvesCsv";
import { referenceSlot } from "../../src/pictures/palette";
import { pictureOf } from "./takePicture";
import { pngOf } from "../kit/picturePng";
import { svgOf } from "../../src/pictures/svg";
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
        points: line.slot === referenceSlot ? line.points : await feed.everyPoint(line),
      })),
    );
    await host.request("page.save", { name, content: { text: curvesCsv(curves, content.view.axis) } });
    return;
  }
  const several = content.metrics.length > 1;
  const picture = pictureOf(content.title, chart, drawing, content.view, readTheme(), several);
  const saved = format === "svg" ? { text: svgOf(picture) } : { base64: pngOf(picture) };
  await host.request("page.save", { name, content: saved });
}
