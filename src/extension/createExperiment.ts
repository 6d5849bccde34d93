/** Writes a new experiment where a person wants it, and opens it as a notebook. */
import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../protocol/errors";
import { toExperimentPath } from "./experimentPath";
import { escapeNotification } from "./plainText";
import { t } from "./l10n";
import type { Template } from "./templates";
import type { Workbench } from "./workbench";

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

/** Writes an example where a person wants it, with the data that it has in a folder of its name. */
export async function createFromTemplate(
  { context }: Pick<Workbench, "context">,
  { id, text }: Pick<Template, "id" | "text">,
): Promise<void> {
  const name = path.posix.basename(id);
  const data = vscode.Uri.joinPath(context.extensionUri, "examples", id);
  await createExperiment(name, async (file) => {
    if (await exists(data)) await copyData(data, vscode.Uri.joinPath(file, "..", name));
    return text;
  });
}

/** Copies files that are missing. Throws `invalid-input` before it writes anything if one is there with other content. */
async function copyData(source: vscode.Uri, target: vscode.Uri): Promise<void> {
  const missing: [vscode.Uri, Uint8Array][] = [];
  for (const [name] of await vscode.workspace.fs.readDirectory(source)) {
    const file = vscode.Uri.joinPath(target, name);
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(source, name));
    if (!(await exists(file))) missing.push([file, bytes]);
    else if (Buffer.compare(await vscode.workspace.fs.readFile(file), bytes) !== 0)
      throw new WorkbenchError(
        "invalid-input",
        t(
          "The example reads {0}, but there is another file of this name. Create the experiment in another folder.",
          file.fsPath,
        ),
      );
  }
  for (const [file, bytes] of missing) await vscode.workspace.fs.writeFile(file, bytes);
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
