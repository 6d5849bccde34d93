/**
 * The tree of runs. Nodes of a run carry it as `run`, those of an experiment its file as `experiment`.
 *
 * Context values, for menus (`view == lathe.runs && viewItem =~ /\brunning\b/`):
 * - `run.STATE.…` with STATE one of queued, running, paused, stopped, failed, done, interrupted, unreadable, and then what
 *   holds of: active (queued, running or paused), ended, waiting (queued behind others), resumable (stopped, failed or
 *   interrupted), measured (has metrics), starred, plain (not starred), tagged
 * - `runGroup.experiment`, `runGroup` where the experiment is not known; `queue`; `more`; `problem`
 */
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import { isActive } from "../../protocol/run";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import type { ProblemNode } from "./face";
import { count, plural } from "../../protocol/quantities";
import { filterWords, isFiltering } from "./runTree/arrangement";
import { groupFace, moreFace } from "./runTree/groupFace";
import { queueDrag } from "./runTree/queueDrag";
import { runFace } from "./runTree/runFace";
import type { RunTreeNode } from "./runTree/runTree";
import { runTooltip } from "./runTree/runTooltip";
import { type ShownRuns, shownRuns } from "./runTree/shownRuns";
import { oneLine, unlinked } from "./text";
import { problemItem, treeItem, untrusted } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";

type Node = RunTreeNode | ProblemNode;

export default defineView({
  title: "Runs",
  size: 59,
  welcome: [
    {
      when: inNoFolder,
      text: "Runs are stored in the folder of their experiment.\n[Open Folder](command:vscode.openFolder)",
    },
    {
      when: inUntrusted,
      text: "No runs yet. Nothing runs in a folder that you do not trust.\n[Manage Workspace Trust](command:workbench.trust.manage)",
    },
    {
      when: `${inTrusted} && !lathe.runsFiltered`,
      text: "No runs yet. Run a cell of an experiment to see its loss while it trains.\n[Run an Experiment](command:lathe.runExperiment)\n[New Experiment](command:lathe.newExperiment)",
    },
    {
      when: `${inTrusted} && lathe.runsFiltered`,
      text: "No run matches the filter.\n[Clear Filter](command:lathe.clearFilter)\n[Change Filter](command:lathe.filterRuns)",
    },
  ],
  create(workbench, id) {
    const shown = shownRuns(workbench);
    const redraw = new vscode.EventEmitter<Node | Node[] | undefined>();
    const view = vscode.window.createTreeView<Node>(id, {
      treeDataProvider: providerOf(workbench, shown, redraw.event),
      canSelectMany: true,
      showCollapseAll: true,
      dragAndDropController: queueDrag(workbench, shown.tree),
    });
    const tell = () => Object.assign(view, headOf(workbench, shown));
    tell();
    workbench.context.subscriptions.push(
      redraw,
      shown.onDidChange((nodes) => {
        if (nodes === "everything") redraw.fire(undefined);
        else if (nodes.length > 0) redraw.fire([...nodes]);
        tell();
      }),
    );
    return view;
  },
});

function providerOf(
  { runs }: Workbench,
  { tree }: ShownRuns,
  onDidChangeTreeData: vscode.Event<Node | Node[] | undefined>,
): vscode.TreeDataProvider<Node> {
  return {
    onDidChangeTreeData,
    getChildren(node) {
      if (node !== undefined) return node.kind === "problem" ? [] : [...tree.childrenOf(node)];
      // At once where they are known: VS Code mixes up answers that are on their way together.
      if (runs.all !== undefined) return [...tree.rootNodes()];
      return runs.load().then(
        () => [...tree.rootNodes()],
        (error: unknown) => [{ kind: "problem", message: toWorkbenchError(error).message }],
      );
    },
    getTreeItem(node) {
      switch (node.kind) {
        case "problem":
          return problemItem(node, "Runs");
        case "run":
          return treeItem(runFace(node.run));
        case "more":
          return treeItem(moreFace(node));
        default:
          return treeItem(groupFace(node, tree.rootNodes().length === 1));
      }
    },
    getParent: (node) => (node.kind === "problem" ? undefined : tree.parentOf(node)),
    // Only when the pointer rests on it: a tooltip is longer than everything else of its row.
    resolveTreeItem(item, node) {
      if (node.kind === "run") item.tooltip = untrusted(runTooltip(node.run));
      return item;
    },
  };
}

/** The badge of the tree, and the message above it about runs that the filter hides. */
function headOf({ runs }: Workbench, { tree, arrangement }: ShownRuns): Partial<vscode.TreeView<Node>> {
  const active = (runs.all ?? []).filter(isActive).length;
  const { filter, sorting } = arrangement;
  const words = unlinked(oneLine(filterWords(filter)));
  const sorted = { newest: "", name: "by name", loss: "by loss", state: "by state" }[sorting];
  return {
    badge: active === 0 ? undefined : { value: active, tooltip: plural(active, "active run") },
    message: isFiltering(filter) ? `${words}: ${count(tree.shown)} of ${plural(tree.size, "run")}` : "",
    description: sorted,
  };
}
