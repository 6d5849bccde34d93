/** Writes a new experiment where a person wants it, and opens it as a notebook. */
import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";
import { toExperimentPath } from "./experimentPath";
import { escapeNotification } from "./plainText";
import { t } from "./l10n";

const replace = t("Replace");

/**
 * `name` is the suggested name without its ending, `place` the suggested folder. A text may depend on where it is
 * written. Undefined if the person cancels.
 */
export async function createExperiment(
  name: string,
  text: string | ((file: vscode.Uri) => Promise<string>),
  place?: vscode.Uri,
): Promise<vscode.Uri | undefined> {
  const folder = place ?? vscode.workspace.workspaceFolders?.[0]?.uri;
  if (folder === undefined)
    throw new WorkbenchError(
      "not-found",
      t('An experiment and its runs need a folder. Run "File: Open Folder" first.'),
    );
  const file = await chooseTarget(await findFreeName(folder, name));
  if (file === undefined) return undefined;
  const content = typeof text === "string" ? text : await text(file);
  await vscode.workspace.fs.writeFile(file, new TextEncoder().encode(content));
  await vscode.window.showNotebookDocument(await vscode.workspace.openNotebookDocument(file));
  return file;
}

/** The dialog asks before it returns the name of an existing file; a name that Lathe completes is checked here. */
async function chooseTarget(defaultUri: vscode.Uri): Promise<vscode.Uri | undefined> {
  for (let suggestion = defaultUri; ;) {
    const chosen = await vscode.window.showSaveDialog({
      title: t("Select the folder for the experiment"),
      saveLabel: t("Create Experiment"),
      defaultUri: suggestion,
    });
    if (chosen === undefined) return undefined;
    const target = chosen.with({ path: toExperimentPath(chosen.path) });
    if (target.path === chosen.path || !(await exists(target))) return target;
    const answer = await vscode.window.showWarningMessage(
      escapeNotification(t("{0} already exists. Replace it?", path.posix.basename(target.path))),
      {
        modal: true,
        detail: t(
          'An experiment\'s name ends with .lathe.md, so "{0}" names this file. Its content would be lost.',
          path.posix.basename(chosen.path),
        ),
      },
      replace,
    );
    if (answer === replace) return target;
    suggestion = await findFreeName(
      target.with({ path: path.posix.dirname(target.path) }),
      path.posix.basename(target.path, ".lathe.md"),
    );
  }
}

/** `quick.lathe.md`, or `quick-2.lathe.md` if that exists. */
async function findFreeName(folder: vscode.Uri, name: string): Promise<vscode.Uri> {
  for (let number = 1; ; number++) {
    const file = vscode.Uri.joinPath(folder, `${name}${number === 1 ? "" : `-${number}`}.lathe.md`);
    if (!(await exists(file))) return file;
  }
}

async function exists(file: vscode.Uri): Promise<boolean> {
  return vscode.workspace.fs.stat(file).then(
    () => true,
    () => false,
  );
}
