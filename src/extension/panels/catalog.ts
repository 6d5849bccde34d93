/** Every panel by its file's name. Written by `npm run generate`. */
import type { PanelId } from "../../protocol/page";
import type { Panel } from "./panel";
import charts from "./charts";
import parameters from "./parameters";
import report from "./report";
import runs from "./runs";
import shrink from "./shrink";
import tryModel from "./tryModel";
import weights from "./weights";

export const panels: Readonly<Record<PanelId, Panel>> = {
  charts,
  parameters,
  report,
  runs,
  shrink,
  tryModel,
  weights,
};
