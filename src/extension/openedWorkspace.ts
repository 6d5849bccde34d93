/** What the backend service has to know of the window: its folders, its experiments and whether it is trusted. */
import * as vscode from "vscode";
import type { Requests } from "../protocol/backend";

export const experimentGlob = "**/*.lathe.md";

export function isExperiment(uri: vscode.Uri): boolean {
  return uri.scheme === "file" && uri.path.endsWith(".lathe.md");
}

type Opened = Requests["workspace.open"]["params"];

/** At once, without those experiments that nobody has open: a large folder takes a while to search. */
export function openedFolders(): Opened {
  return { ...openedWith([]), searching: true };
}

export async function openedWorkspace(): Promise<Opened> {
  return openedWith(
    await vscode.workspace.findFiles(experimentGlob, "**/{node_modules,.lathe,.git}/**", 10_000),
  );
}

function openedWith(found: readonly vscode.Uri[]): Opened {
  const opened = [
    ...vscode.workspace.notebookDocuments.map(({ uri }) => uri),
    ...vscode.workspace.textDocuments.map(({ uri }) => uri),
  ];
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri);
  return {
    folders: folders.filter(({ scheme }) => scheme === "file").map(({ fsPath }) => fsPath),
    experiments: [...new Set([...found, ...opened].filter(isExperiment).map(({ fsPath }) => fsPath))].sort(),
    trusted: vscode.workspace.isTrusted,
  };
}

/** Calls back, after a short pause, whenever `openedWorkspace` has a new value. */
export function watchWorkspace(changed: () => void): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(changed, 200);
  };
  const known = new Set<string>();
  const opened = ({ uri }: { readonly uri: vscode.Uri }) => {
    // An experiment of an opened folder has been found there already.
    if (!isExperiment(uri) || known.has(uri.path) || vscode.workspace.getWorkspaceFolder(uri) !== undefined)
      return;
    known.add(uri.path);
    soon();
  };
  const watcher = vscode.workspace.createFileSystemWatcher(experimentGlob, false, true, false);
  return vscode.Disposable.from(
    watcher,
    watcher.onDidCreate(soon),
    watcher.onDidDelete(soon),
    vscode.workspace.onDidChangeWorkspaceFolders(soon),
    vscode.workspace.onDidGrantWorkspaceTrust(soon),
    vscode.workspace.onDidOpenNotebookDocument(opened),
    vscode.workspace.onDidOpenTextDocument(opened),
    { dispose: () => clearTimeout(timer) },
  );
}
