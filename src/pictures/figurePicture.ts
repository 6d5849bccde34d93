/** The picture of a figure's numbers, the same in reports and in the editor. */
import type { FigureData } from "../protocol/figures";
import { createHeatMapPicture } from "./heatMapPicture";
import { createKeptPicture } from "./keptPicture";
import type { Picture } from "./picture";
import { createStackedBarsPicture } from "./stackedBarsPicture";
import type { ChartTheme } from "./theme";

export interface FigurePictureOptions {
  readonly title: string;
  readonly theme: ChartTheme;
  /** Of the place where it is drawn; wide places are not filled. */
  readonly room?: number;
}

const widths: Readonly<Record<FigureData["kind"], number>> = {
  heatMap: 420,
  keptTokens: 760,
  stackedBars: 760,
};
/** Below, labels would overlap; a page scales the picture down. */
const minWidth = 280;

export function createFigurePicture(
  data: FigureData,
  { title, theme, room = Infinity }: FigurePictureOptions,
): Picture {
  const width = Math.max(minWidth, Math.min(room, widths[data.kind]));
  switch (data.kind) {
    case "heatMap":
      return createHeatMapPicture(data, { title, theme, width });
    case "keptTokens":
      return createKeptPicture(data, { title, theme, width });
    case "stackedBars":
      return createStackedBarsPicture(data, { title, theme, width });
  }
}
