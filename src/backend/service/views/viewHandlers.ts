/** Requests about saved views: they are in the first of the opened folders. */
import type { Handlers } from "../../../protocol/connection";
import { toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { ViewList, ViewRequests } from "../../../protocol/service/views";
import type { ViewPanel } from "../../../schema/savedViews";
import type { Service } from "../service";
import { deleteView, readViews, renameView, saveView } from "./viewsFile";

export function createViewHandlers(service: Service): Handlers<ViewRequests> {
  const list = (panel: ViewPanel): ViewList => {
    const [folder] = service.folders;
    if (folder === undefined) return { views: [] };
    try {
      return { views: readViews(folder).filter((view) => view.panel === panel) };
    } catch (thrown) {
      return { views: [], problem: toWorkbenchError(thrown).message };
    }
  };
  const change = (panel: ViewPanel, write: (folder: string) => void): ViewList => {
    service.requireTrust("Saving a view");
    const [folder] = service.folders;
    if (folder === undefined)
      throw new WorkbenchError("unsupported", "Views are saved in the opened folder. Open a folder first.");
    write(folder);
    service.emit("viewsChanged", {});
    return list(panel);
  };
  return {
    "views.list": ({ panel }) => list(panel),
    "views.save": ({ view, replace }) => change(view.panel, (folder) => saveView(folder, view, replace)),
    "views.rename": ({ panel, name, to }) => change(panel, (folder) => renameView(folder, panel, name, to)),
    "views.delete": ({ panel, name }) => change(panel, (folder) => deleteView(folder, panel, name)),
  };
}
