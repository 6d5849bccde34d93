/** Views that a person has saved under a name, in a file of the workspace. */
import type { SavedView, ViewPanel } from "../../schema/savedViews";
import type { Empty } from "../connection";

export interface ViewList {
  /** By name. */
  readonly views: readonly SavedView[];
  /** Why the file cannot be read. Nothing is written until it can be. */
  readonly problem?: string;
}

export interface ViewRequests {
  "views.list": { params: { readonly panel: ViewPanel }; result: ViewList };
  /** Refuses a name that another view of the panel has, unless that is to be replaced. */
  "views.save": {
    params: { readonly view: SavedView; readonly replace: boolean };
    result: ViewList;
  };
  "views.rename": {
    params: { readonly panel: ViewPanel; readonly name: string; readonly to: string };
    result: ViewList;
  };
  "views.delete": { params: { readonly panel: ViewPanel; readonly name: string }; result: ViewList };
}

export interface ViewEvents {
  /** The file was written: the lists are others. */
  viewsChanged: Empty;
}

export const viewRequests = [
  "views.list",
  "views.save",
  "views.rename",
  "views.delete",
] as const satisfies readonly (keyof ViewRequests)[];
