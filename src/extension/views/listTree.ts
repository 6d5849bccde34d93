/** What the trees of models and devices have in common: a list that the service is asked for, and asked for again. */
import * as vscode from "vscode";
import { toWorkbenchError } from "../../protocol/errors";
import type { ProblemNode } from "./nodePresentation";
import { createProblemItem } from "./treeItem";

export interface ListTreeOptions<N extends object> {
  /** The label of the row that is shown instead of a list that cannot be loaded. */
  readonly failureLabel: string;
  ask(again: boolean): Promise<readonly N[]>;
  itemOf(node: N): vscode.TreeItem;
  childrenOf?(node: N): readonly N[];
}

export class ListTree<N extends object> implements vscode.TreeDataProvider<N | ProblemNode> {
  private readonly changes = new vscode.EventEmitter<undefined>();
  readonly onDidChangeTreeData = this.changes.event;
  private nodes: readonly (N | ProblemNode)[] | undefined;
  private pending: Promise<readonly (N | ProblemNode)[]> | undefined;

  constructor(private readonly options: ListTreeOptions<N>) {}

  /** Asks at once where the rows are on show, else when they are. */
  refresh(): void {
    this.nodes = undefined;
    this.changes.fire(undefined);
  }

  /** The same rows with other marks on them. */
  redraw(): void {
    this.changes.fire(undefined);
  }

  /** Always requests the list, and resolves when there is an answer. */
  async reload(): Promise<void> {
    this.pending = this.fetch(true);
    this.changes.fire(undefined);
    await this.pending;
  }

  getChildren(node?: N | ProblemNode): (N | ProblemNode)[] | Promise<(N | ProblemNode)[]> {
    if (node !== undefined) return isProblem(node) ? [] : [...(this.options.childrenOf?.(node) ?? [])];
    if (this.pending === undefined && this.nodes !== undefined) return [...this.nodes];
    this.pending ??= this.fetch(false);
    return this.pending.then((nodes) => [...nodes]);
  }

  getTreeItem(node: N | ProblemNode): vscode.TreeItem {
    return isProblem(node) ? createProblemItem(node, this.options.failureLabel) : this.options.itemOf(node);
  }

  private async fetch(again: boolean): Promise<readonly (N | ProblemNode)[]> {
    try {
      this.nodes = await this.options.ask(again);
    } catch (error) {
      this.nodes = [{ kind: "problem", message: toWorkbenchError(error).message }];
    }
    this.pending = undefined;
    return this.nodes;
  }
}

function isProblem(node: object): node is ProblemNode {
  return "kind" in node && node.kind === "problem";
}
