/** Which experiment a command means: the one of the tree or of the editor, the one that is open, or one from a list. */
import path from "node:path";
import * as vscode from "vscode";
import { WorkbenchError } from "../../protocol/errors";
import type { HasExperiment } from "../command";
import { experimentGlob, isExperiment } from "../openedWorkspace";
import { toSingleLine, escapeLinks } from "../views/text";
import { t } from "../l10n";

/** Undefined when nobody chose. */
export async function pickExperiment(
  args: readonly unknown[],
  title: string,
): Promise<HasExperiment | undefined> {
  const experiment = getExperimentFromArguments(args) ?? findOpenExperiment();
  if (experiment !== undefined) return experiment;
  const files = await vscode.workspace.findFiles(experimentGlob, "**/{node_modules,.lathe,.git}/**", 10_000);
  if (files.length === 0)
    throw new WorkbenchError(
      "not-found",
      t('There is no experiment in this window. Run "Lathe: New Experiment" to create one.'),
    );
  if (files.length === 1) return { experiment: files[0]!.fsPath };
  const items = files
    .map((uri) => ({
      label: escapeLinks(toSingleLine(path.basename(uri.fsPath))),
      description: escapeLinks(toSingleLine(vscode.workspace.asRelativePath(uri))),
      uri,
    }))
    .sort((a, b) => a.description.localeCompare(b.description));
  const picked = await vscode.window.showQuickPick(items, { title, matchOnDescription: true });
  return picked === undefined ? undefined : { experiment: picked.uri.fsPath };
}

/** The experiment whose menu was opened and all others that are selected, each once, in the order of the tree. */
export function getExperimentsFromArguments([first, selected]: readonly unknown[]): readonly HasExperiment[] {
  const items = Array.isArray(selected) && selected.includes(first) ? (selected as unknown[]) : [first];
  const experiments = items.flatMap((item) => getExperimentFromArguments([item]) ?? []);
  const wholeExperiments = new Set(
    experiments.flatMap(({ experiment, variant }) => (variant === undefined ? experiment : [])),
  );
  const remaining = experiments.filter(
    ({ experiment, variant }) => variant === undefined || !wholeExperiments.has(experiment),
  );
  return [
    ...new Map(remaining.map((entry) => [`${entry.experiment}\n${entry.variant ?? ""}`, entry])).values(),
  ];
}

/** What menus hand over: a node of a tree, the address of a file, or the notebook's toolbar. */
export function getExperimentFromArguments([first]: readonly unknown[]): HasExperiment | undefined {
  if (typeof first !== "object" || first === null) return undefined;
  if (first instanceof vscode.Uri) return isExperiment(first) ? { experiment: first.fsPath } : undefined;
  if ("experiment" in first && typeof first.experiment === "string" && first.experiment !== "")
    return first as HasExperiment;
  const { notebookEditor } = first as { readonly notebookEditor?: { readonly notebookUri?: vscode.Uri } };
  return notebookEditor?.notebookUri === undefined
    ? undefined
    : { experiment: notebookEditor.notebookUri.fsPath };
}

/** The experiment of the active editor, or else the only one that can be seen. */
function findOpenExperiment(): HasExperiment | undefined {
  const active =
    vscode.window.activeNotebookEditor?.notebook.uri ?? vscode.window.activeTextEditor?.document.uri;
  const visible = vscode.window.visibleNotebookEditors
    .map(({ notebook }) => notebook.uri)
    .filter(isExperiment);
  if (active !== undefined && isExperiment(active)) return { experiment: active.fsPath };
  return visible.length === 1 ? { experiment: visible[0]!.fsPath } : undefined;
}
