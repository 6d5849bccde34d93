/** The notebook: experiments as cells that run, explain themselves and show what their runs came to. */
import * as vscode from "vscode";
import type { Workbench } from "../workbench";
import { notebookType, serializer } from "./serializer";

export function registerNotebook({ context }: Workbench): void {
  context.subscriptions.push(
    // Outputs live in run folders, never in the file.
    vscode.workspace.registerNotebookSerializer(notebookType, serializer, { transientOutputs: true }),
  );
}
