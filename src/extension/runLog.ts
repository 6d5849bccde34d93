/** The log of a run as a read-only document that grows while the run is active. */
import path from "node:path";
import * as vscode from "vscode";
import type { RunSummary } from "../protocol/service/runs";
import { escapeControls } from "./plainText";
import type { Workbench } from "./workbench";

const scheme = "lathe-log";
/** The last part of a log; nobody reads more of it in an editor. */
const maxBytes = 1_000_000;

export function registerRunLog(workbench: Workbench): void {
  const changeEmitter = new vscode.EventEmitter<vscode.Uri>();
  const provider: vscode.TextDocumentContentProvider = {
    onDidChange: changeEmitter.event,
    async provideTextDocumentContent({ query }) {
      const { text } = await workbench.backend.request("runs.log", { run: query, bytes: maxBytes });
      return escapeControls(text);
    },
  };
  workbench.context.subscriptions.push(
    changeEmitter,
    vscode.workspace.registerTextDocumentContentProvider(scheme, provider),
    workbench.runs.onDidChange(({ changed: runs }) => {
      const openLogs = vscode.workspace.textDocuments.filter(({ uri }) => uri.scheme === scheme);
      for (const { uri } of openLogs)
        if (runs.some(({ folder }) => folder === uri.query)) changeEmitter.fire(uri);
    }),
  );
}

export async function showRunLog({ id, folder }: RunSummary): Promise<void> {
  const uri = vscode.Uri.from({ scheme, path: `/${path.basename(id)}.log`, query: folder });
  const document = await vscode.workspace.openTextDocument(uri);
  const editor = await vscode.window.showTextDocument(document, { preview: true });
  const end = document.lineAt(document.lineCount - 1).range.end;
  editor.revealRange(new vscode.Range(end, end));
}
