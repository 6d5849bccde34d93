/** What the backend service has to know of the window: its folders, its experiments and whether it is trusted. */
import * as vscode from "vscode";
import type { Requests } from "../protocol/backend";

export const experimentGlob = "**/*.lathe.md";

export function isExperiment(uri: vscode.Uri): boolean {
  return uri.scheme === "file" && uri.path.endsWith(".lathe.md");
}

type OpenParameters = Requests["workspace.open"]["params"];

/** At once, without those experiments that nobody has open: a large folder takes a while to search. */
export function getOpenedFolders(): OpenParameters {
  return { ...describeWorkspace([]), searching: true };
}

export async function findOpenedWorkspace(): Promise<OpenParameters> {
  return describeWorkspace(
    await vscode.workspace.findFiles(experimentGlob, "**/{node_modules,.lathe,.git}/**", 10_000),
  );
}

function describeWorkspace(files: readonly vscode.Uri[]): OpenParameters {
  const openFiles = [
    ...vscode.workspace.notebookDocuments.map(({ uri }) => uri),
    ...vscode.workspace.textDocuments.map(({ uri }) => uri),
  ];
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri);
  return {
    folders: folders.filter(({ scheme }) => scheme === "file").map(({ fsPath }) => fsPath),
    experiments: [
      ...new Set([...files, ...openFiles].filter(isExperiment).map(({ fsPath }) => fsPath)),
    ].sort(),
    trusted: vscode.workspace.isTrusted,
  };
}

/** Calls back, after a short pause, whenever `findOpenedWorkspace` has a new result. */
export function watchWorkspace(onChange: () => void): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const schedule = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, 200);
  };
  const reported = new Set<string>();
  const onOpen = ({ uri }: { readonly uri: vscode.Uri }) => {
    // An experiment of an opened folder has been found there already.
    if (
      !isExperiment(uri) ||
      reported.has(uri.path) ||
      vscode.workspace.getWorkspaceFolder(uri) !== undefined
    )
      return;
    reported.add(uri.path);
    schedule();
  };
  const watcher = vscode.workspace.createFileSystemWatcher(experimentGlob, false, true, false);
  return vscode.Disposable.from(
    watcher,
    watcher.onDidCreate(schedule),
    watcher.onDidDelete(schedule),
    vscode.workspace.onDidChangeWorkspaceFolders(schedule),
    vscode.workspace.onDidGrantWorkspaceTrust(schedule),
    vscode.workspace.onDidOpenNotebookDocument(onOpen),
    vscode.workspace.onDidOpenTextDocument(onOpen),
    { dispose: () => clearTimeout(timer) },
  );
}
