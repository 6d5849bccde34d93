/**
 * The tree of models on disk, by the run that made them. Nodes carry the model as `model`, groups the run as `run`.
 *
 * Context values: `model.checkpoint`, `model.export`; `models.made` for those of a run, `models` for others; `problem`.
 */
import * as vscode from "vscode";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import { ListTree } from "./listTree";
import { groupModels, presentModel, presentModelGroup, type ModelTreeNode } from "./modelTree/presentModel";
import { memoizeByWorkbench } from "./memoizeByWorkbench";
import { createTreeItem } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";
import { t } from "../l10n";

/** A step that ends writes several files; they are looked for once it is quiet. */
const refreshDelay = 1500;

export const getModelTree = memoizeByWorkbench(
  ({ backend, runs }: Workbench) =>
    new ListTree<ModelTreeNode>({
      failureLabel: t("Could not list the models"),
      async ask() {
        const [{ models }] = await Promise.all([backend.request("models.list", {}), runs.load()]);
        return groupModels(models, (folder) => runs.get(folder));
      },
      childrenOf: (node) => (node.kind === "group" ? node.models : []),
      itemOf: (node) => createTreeItem(node.kind === "group" ? presentModelGroup(node) : presentModel(node)),
    }),
);

export default defineView({
  title: "Models",
  size: 8,
  collapsed: true,
  welcome: [
    {
      when: inNoFolder,
      text: "Checkpoints and exported models of your runs.\n[Open Folder](command:vscode.openFolder)",
    },
    {
      when: inUntrusted,
      text: "No models yet. Nothing runs in a folder that you do not trust.\n[Manage Workspace Trust](command:workbench.trust.manage)",
    },
    {
      when: inTrusted,
      text: "No models yet. A run writes a checkpoint when its training ends or stops; an export cell writes a model for other programs.\n[Run an Experiment](command:lathe.runExperiment)\n[Refresh](command:lathe.refreshModels)",
    },
  ],
  create(workbench, id) {
    const tree = getModelTree(workbench);
    const view = vscode.window.createTreeView(id, {
      treeDataProvider: tree,
      showCollapseAll: true,
      canSelectMany: true,
    });
    const states = new Map<string, string>();
    let timer: NodeJS.Timeout | undefined;
    workbench.context.subscriptions.push(
      workbench.runs.onDidChange(({ changed, removed }) => {
        // Models come and go with what runs do, not with their steps.
        const stale = changed.filter(({ folder, name, state, progress }) => {
          const status = JSON.stringify([name, state, progress?.action]);
          const isChanged = states.get(folder) !== status;
          states.set(folder, status);
          return isChanged;
        });
        for (const folder of removed) states.delete(folder);
        if (stale.length === 0 && removed.length === 0) return;
        clearTimeout(timer);
        timer = setTimeout(() => tree.refresh(), refreshDelay);
      }),
      { dispose: () => clearTimeout(timer) },
    );
    return view;
  },
});
