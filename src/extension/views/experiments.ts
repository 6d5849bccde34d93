/**
 * The tree of experiments: files, and in each its variants and cells. Nodes carry the file's path as `experiment`, and
 * then `variant` or `cell`.
 *
 * Context values: `experiment` with `faulty` and `ran`; `variant` with `ran`; `cell`, `cell.action`; `faults`; `problem`.
 */
import * as path from "node:path";
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import type { RunSummary } from "../../protocol/service/runs";
import { experimentGlob } from "../openedWorkspace";
import { defineView } from "../view";
import type { Workbench } from "../workbench";
import {
  presentCell,
  createChildren,
  type ExperimentNode,
  presentFaults,
  presentFile,
  type FileNode,
  presentVariant,
} from "./experimentTree/presentExperiment";
import { Outlines } from "./experimentTree/outlines";
import type { ProblemNode } from "./nodePresentation";
import { createProblemItem, createTreeItem } from "./treeItem";
import { inNoFolder, inTrusted, inUntrusted } from "./welcome";
import { t } from "../l10n";

type Node = ExperimentNode | ProblemNode;

const excludedGlob = "**/{node_modules,.lathe,.git}/**";
const maxFiles = 5000;
/** Until the answer to a row's opening has arrived, also from afar. */
const settleDelay = 1000;

export default defineView({
  title: "Experiments",
  size: 25,
  welcome: [
    {
      when: inNoFolder,
      text: "An experiment is a Markdown file with YAML cells in a folder.\n[Open Folder](command:vscode.openFolder)\n[Open Walkthrough](command:lathe.openWalkthrough)",
    },
    {
      when: inUntrusted,
      text: "No experiments here. Nothing runs in a folder that you do not trust.\n[Manage Workspace Trust](command:workbench.trust.manage)",
    },
    {
      when: inTrusted,
      text: "No experiments yet. The first loss curve is a minute away.\n[New Experiment](command:lathe.newExperiment)\n[Open an Example](command:lathe.openExample)\n[Open Walkthrough](command:lathe.openWalkthrough)",
    },
  ],
  create(workbench, id) {
    const tree = new ExperimentTree(workbench);
    return tree.createView(id);
  },
});

class ExperimentTree implements vscode.TreeDataProvider<Node> {
  private readonly changes = new vscode.EventEmitter<Node | Node[] | undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private readonly outlines: Outlines;
  private files: ReadonlyMap<string, FileNode> = new Map();
  private isCurrent = false;
  /** What the rows show of each run, so that another step redraws nothing. */
  private readonly shownStates = new Map<
    string,
    { readonly file: string | undefined; readonly state: string }
  >();
  /** Path of an experiment → its runs, made when it is needed. */
  private runsByFile: ReadonlyMap<string, readonly RunSummary[]> | undefined;

  constructor(private readonly workbench: Workbench) {
    this.outlines = new Outlines({
      size: async (file) => (await vscode.workspace.fs.stat(vscode.Uri.file(file))).size,
      read: async (file) =>
        new TextDecoder().decode(await vscode.workspace.fs.readFile(vscode.Uri.file(file))),
      outline: (file, text) => workbench.backend.request("experiment.outline", { file, text }),
    });
  }

  createView(id: string): vscode.TreeView<Node> {
    const watcher = vscode.workspace.createFileSystemWatcher(experimentGlob);
    const reload = () => {
      this.isCurrent = false;
      this.changes.fire(undefined);
    };
    this.workbench.context.subscriptions.push(
      this.changes,
      watcher,
      watcher.onDidCreate(reload),
      watcher.onDidDelete(reload),
      watcher.onDidChange(({ fsPath }) => this.onFileChange(fsPath)),
      vscode.workspace.onDidChangeWorkspaceFolders(reload),
      this.workbench.runs.onDidChange(({ changed, removed }) => this.onRunsChange(changed, removed)),
    );
    return vscode.window.createTreeView<Node>(id, {
      treeDataProvider: this,
      showCollapseAll: true,
      canSelectMany: true,
    });
  }

  getChildren(node?: Node): Node[] | Promise<Node[]> {
    if (node === undefined) return this.isCurrent ? [...this.files.values()] : this.load();
    if (node.kind !== "experiment") return [];
    const outline = this.outlines.get(node.experiment);
    return outline === undefined ? this.loadChildren(node) : createChildren(node, outline);
  }

  private async loadChildren(node: FileNode): Promise<Node[]> {
    try {
      const outline = await this.outlines.load(node.experiment);
      // The file's own row shows its faults, but not while VS Code is still opening it: it would keep outdated rows.
      if (outline.faults > 0) setTimeout(() => this.changes.fire(node), settleDelay);
      return createChildren(node, outline);
    } catch (error) {
      return [{ kind: "problem", message: toWorkbenchError(error).message }];
    }
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "problem":
        return createProblemItem(node, t("Could not list the cells"));
      case "experiment": {
        const presentation = presentFile(
          node,
          this.getRuns(node.experiment),
          this.outlines.get(node.experiment),
        );
        return createTreeItem(presentation);
      }
      case "variant": {
        const runs = this.getRuns(node.experiment).filter(({ variant }) => variant === node.variant);
        return createTreeItem(presentVariant(node, runs));
      }
      case "cell":
        return createTreeItem(presentCell(node));
      case "faults":
        return createTreeItem(presentFaults(node));
    }
  }

  getParent(node: Node): Node | undefined {
    return node.kind === "problem" || node.kind === "experiment" ? undefined : node.file;
  }

  private async load(): Promise<Node[]> {
    const uris = await vscode.workspace.findFiles(experimentGlob, excludedGlob, maxFiles);
    const nodes = uris
      .filter(({ scheme }) => scheme === "file")
      .map((uri) => ({ file: uri.fsPath, shown: vscode.workspace.asRelativePath(uri) }))
      .sort((a, b) => a.shown.localeCompare(b.shown, "en", { numeric: true }))
      .map(({ file, shown }): FileNode => {
        const folder = path.posix.dirname(shown);
        // VS Code knows nodes by identity: the one that is on show stays.
        const existing = this.files.get(file);
        return existing ?? { kind: "experiment", experiment: file, folder: folder === "." ? "" : folder };
      });
    this.files = new Map(nodes.map((node) => [node.experiment, node]));
    this.isCurrent = true;
    return nodes;
  }

  private onFileChange(file: string): void {
    this.outlines.forget(file);
    this.redraw([file]);
  }

  private onRunsChange(changed: readonly RunSummary[], removed: readonly string[]): void {
    this.runsByFile = undefined;
    const stale = new Set<string | undefined>();
    for (const run of changed) {
      if (this.shownStates.get(run.folder)?.state === run.state) continue;
      const file = getFile(run);
      this.shownStates.set(run.folder, { file, state: run.state });
      stale.add(file);
    }
    for (const folder of removed) {
      stale.add(this.shownStates.get(folder)?.file);
      this.shownStates.delete(folder);
    }
    this.redraw(stale);
  }

  private redraw(files: Iterable<string | undefined>): void {
    const nodes = [...files].flatMap((file) => this.files.get(file ?? "") ?? []);
    if (nodes.length > 0) this.changes.fire(nodes);
  }

  private getRuns(experiment: string): readonly RunSummary[] {
    this.runsByFile ??= groupByFile(this.workbench.runs.all ?? []);
    return this.runsByFile.get(experiment) ?? [];
  }
}

function groupByFile(runs: readonly RunSummary[]): ReadonlyMap<string, readonly RunSummary[]> {
  const groups = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const file = getFile(run);
    if (file === undefined) continue;
    const group = groups.get(file);
    if (group === undefined) groups.set(file, [run]);
    else group.push(run);
  }
  return groups;
}

/** As VS Code writes paths, with a small drive letter. */
function getFile({ experiment }: RunSummary): string | undefined {
  return experiment === undefined ? undefined : vscode.Uri.file(experiment).fsPath;
}
