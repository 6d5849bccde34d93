/**
 * The tree of runs. Nodes of a run carry it as `run`, those of an experiment its file as `experiment`.
 *
 * Context values, for menus (`view == lathe.runs && viewItem =~ /\brunning\b/`):
 * - `run.STATE.…` with STATE one of queued, running, paused, stopped, failed, done, interrupted, unreadable, and then what
 *   holds of: active (queued, running or paused), ended, waiting (queued behind others), resumable (stopped, failed or
 *   interrupted), measured (has metrics), starred, plain (not starred), tagged
 * - `runGroup.experiment`, `runGroup` where the experiment is not known; `queue`; `more`; `problem`
 */
import path from "node:path";
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import { isActive } from "../../protocol/run";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import type { ProblemNode } from "./nodePresentation";
import { formatCount } from "../../protocol/quantities";
import { presentGroup, presentMore, sharesTitle } from "./runTree/presentGroup";
import { createQueueDragController } from "./runTree/queueDrag";
import { presentRun, type RunPlace } from "./runTree/presentRun";
import type { GroupNode, RunNode, RunTree, RunTreeNode } from "./runTree/runTree";
import { createRunTooltip } from "./runTree/runTooltip";
import { type ShownRuns, getShownRuns } from "./runTree/shownRuns";
import { toSingleLine, escapeLinks } from "./text";
import { createProblemItem, createTreeItem, createUntrustedMarkdown } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";
import { plural, t } from "../l10n";

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
      text: "No runs yet. Run a cell of an experiment to see its curves while it trains.\n[Run an Experiment](command:lathe.runExperiment)\n[New Experiment](command:lathe.newExperiment)",
    },
    {
      when: `${inTrusted} && lathe.runsFiltered`,
      text: "No run matches the filter.\n[Clear Filter](command:lathe.clearFilter)\n[Change Filter](command:lathe.filterRuns)",
    },
  ],
  create(workbench, id) {
    const shownRuns = getShownRuns(workbench);
    const redraw = new vscode.EventEmitter<Node | Node[] | undefined>();
    const view = vscode.window.createTreeView<Node>(id, {
      treeDataProvider: createProvider(workbench, shownRuns, redraw.event),
      canSelectMany: true,
      showCollapseAll: true,
      dragAndDropController: createQueueDragController(workbench, shownRuns.tree),
    });
    const updateHead = () => Object.assign(view, describeView(workbench, shownRuns));
    updateHead();
    workbench.context.subscriptions.push(
      redraw,
      shownRuns.onDidChange((nodes) => {
        if (nodes === "everything") redraw.fire(undefined);
        else if (nodes.length > 0) redraw.fire([...nodes]);
        updateHead();
      }),
    );
    return view;
  },
});

function createProvider(
  { runs }: Workbench,
  { tree }: ShownRuns,
  onDidChangeTreeData: vscode.Event<Node | Node[] | undefined>,
): vscode.TreeDataProvider<Node> {
  return {
    onDidChangeTreeData,
    getChildren(node) {
      if (node !== undefined) return node.kind === "problem" ? [] : [...tree.getChildren(node)];
      // At once where they are known: VS Code mixes up answers that are on their way together.
      if (runs.all !== undefined) return [...tree.getRoots()];
      return runs.load().then(
        () => [...tree.getRoots()],
        (error: unknown) => [{ kind: "problem", message: toWorkbenchError(error).message }],
      );
    },
    getTreeItem(node) {
      switch (node.kind) {
        case "problem":
          return createProblemItem(node, t("Could not list the runs"));
        case "run":
          return createTreeItem(presentRun(node.run, getPlace(node, tree)));
        case "more":
          return createTreeItem(presentMore(node));
        default:
          return createTreeItem(presentGroup(node, tree.getRoots().length === 1, getFolder(node, tree)));
      }
    },
    getParent: (node) => (node.kind === "problem" ? undefined : tree.getParent(node)),
    // Only when the pointer rests on it: a tooltip is longer than everything else of its row.
    resolveTreeItem(item, node) {
      if (node.kind === "run")
        item.tooltip = createUntrustedMarkdown(createRunTooltip(node.run, getPlace(node, tree).marks));
      return item;
    },
  };
}

function getPlace({ parent }: RunNode, tree: RunTree): RunPlace {
  if (parent === undefined) return {};
  return { isBelowExperiment: parent.kind === "experiment", marks: tree.getMarks(parent) };
}

/** Of an experiment whose name another one has too. */
function getFolder(group: GroupNode, tree: RunTree): string | undefined {
  if (group.experiment === undefined || !sharesTitle(group, tree.getRoots())) return undefined;
  return vscode.workspace.asRelativePath(path.dirname(group.experiment));
}

/** The badge of the tree, and the message above it about runs that the filter hides. */
function describeView({ runs }: Workbench, { tree, arrangement }: ShownRuns): Partial<vscode.TreeView<Node>> {
  const active = (runs.all ?? []).filter(isActive).length;
  const { filter, sorting } = arrangement;
  const filterText = escapeLinks(toSingleLine(filter));
  const problem =
    tree.filterProblem === undefined ? "" : `. ${escapeLinks(toSingleLine(tree.filterProblem))}`;
  const sortingText = { newest: "", name: t("by name"), loss: t("by eval loss"), state: t("by state") }[
    sorting
  ];
  return {
    badge:
      active === 0
        ? undefined
        : { value: active, tooltip: plural(active, "1 active run", "{0} active runs") },
    message:
      filter === ""
        ? ""
        : `${filterText}: ${t("{0} of {1}", formatCount(tree.visibleCount), plural(tree.size, "1 run", "{0} runs"))}${problem}`,
    description: sortingText,
  };
}
