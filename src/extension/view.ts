/** A tree of the side panel is one file in `views/`: its name is the id, `lathe.<name>`, and the manifest knows it by that. */
import type * as vscode from "vscode";
import type { Workbench } from "./workbench";

export interface View {
  readonly title: string;
  /** Shown while the tree is empty: what to do next, in Markdown with command links. */
  readonly welcome: readonly { readonly when?: string; readonly text: string }[];
  readonly collapsed?: boolean;
  /** Its percentage of the side panel's height. The first view gets the space of collapsed ones. */
  readonly size: number;
  /** Creates the tree; its disposables are added to `workbench.context.subscriptions`. */
  create(workbench: Workbench, id: string): vscode.TreeView<unknown>;
}

export function defineView(view: View): View {
  return view;
}
