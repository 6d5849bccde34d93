/**
 * The runs as a tree: waiting runs, then the experiments with theirs. It keeps the nodes, because VS Code knows them by
 * identity, and reports after a change which of them must be redrawn; everything is sorted only when it is shown.
 */
import type { RunSummary } from "../../../protocol/service/runs";
import { experimentTitle } from "../text";
import { type Arrangement, matches, orderOf, unarranged } from "./arrangement";
import { isWaiting } from "./runStates";

/** How many runs of an experiment are shown at first, and how many more at a time. */
export const pageSize = 200;

export interface RunNode {
  readonly kind: "run";
  run: RunSummary;
  /** Undefined while the filter hides it. */
  parent: GroupNode | undefined;
}

export class GroupNode {
  readonly id: string;
  readonly members = new Set<RunNode>();
  /** Members in order; undefined until somebody looks. */
  sorted: readonly RunNode[] | undefined;
  limit = pageSize;
  readonly more: MoreNode = { kind: "more", group: this };

  constructor(
    readonly kind: "queue" | "experiment",
    /** The file's absolute path; undefined for the queue, and for runs whose experiment is not known. */
    readonly experiment: string | undefined,
  ) {
    this.id = groupId(kind, experiment);
  }
}

export interface MoreNode {
  readonly kind: "more";
  readonly group: GroupNode;
}

export type RunTreeNode = RunNode | GroupNode | MoreNode;

/** `everything` where groups come, go or change places. */
export type Redraw = "everything" | readonly RunTreeNode[];

export class RunTree {
  private readonly nodes = new Map<string, RunNode>();
  private readonly groups = new Map<string, GroupNode>();
  private arrangement = unarranged;
  private roots: readonly GroupNode[] | undefined;

  get size(): number {
    return this.nodes.size;
  }

  /** How many the filter lets through. */
  get shown(): number {
    let shown = 0;
    for (const { members } of this.groups.values()) shown += members.size;
    return shown;
  }

  rootNodes(): readonly GroupNode[] {
    return (this.roots ??= this.sortedRoots());
  }

  childrenOf(node: RunTreeNode): readonly RunTreeNode[] {
    if (node.kind === "run" || node.kind === "more") return [];
    const sorted = this.sortedMembers(node);
    return sorted.length > node.limit ? [...sorted.slice(0, node.limit), node.more] : sorted;
  }

  parentOf(node: RunTreeNode): GroupNode | undefined {
    return node.kind === "run" ? node.parent : node.kind === "more" ? node.group : undefined;
  }

  nodeOf(folder: string): RunNode | undefined {
    return this.nodes.get(folder);
  }

  showMore({ group }: MoreNode): Redraw {
    group.limit += pageSize;
    return [group];
  }

  arrange(arrangement: Arrangement): void {
    this.arrangement = arrangement;
    this.groups.clear();
    this.roots = undefined;
    for (const { run } of [...this.nodes.values()])
      this.enter({ kind: "run", run, parent: undefined }, this.groupFor(run));
  }

  apply(changed: readonly RunSummary[], removed: readonly string[]): Redraw {
    const before = this.rootNodes();
    const stale = new Set<GroupNode>();
    const redrawn = new Set<RunNode>();
    for (const folder of removed) {
      const node = this.nodes.get(folder);
      if (node === undefined) continue;
      this.nodes.delete(folder);
      if (node.parent !== undefined) stale.add(node.parent);
      this.leave(node);
    }
    for (const run of changed) {
      const known = this.nodes.get(run.folder);
      const [from, to] = [known?.parent, this.groupFor(run)];
      if (known === undefined || from !== to) {
        // A node of its own in each place: VS Code knows nodes by identity, and none that moves.
        if (known !== undefined) this.leave(known);
        this.enter({ kind: "run", run, parent: undefined }, to);
        for (const group of [from, to]) if (group !== undefined) stale.add(group);
        continue;
      }
      const old = known.run;
      known.run = run;
      if (to === undefined) continue;
      redrawn.add(known);
      const moves = this.comesElsewhere(known, old, to);
      if (moves) to.sorted = undefined;
      if (moves || old.state !== run.state) stale.add(to);
    }
    for (const group of stale) if (group.members.size === 0) this.groups.delete(group.id);
    this.roots = undefined;
    const after = this.rootNodes();
    if (before.length !== after.length || before.some((group, index) => group !== after[index]))
      return "everything";
    // A group includes its runs.
    const alone = [...redrawn].filter(({ parent }) => parent !== undefined && !stale.has(parent));
    return [...stale, ...alone];
  }

  private enter(node: RunNode, group: GroupNode | undefined): void {
    this.nodes.set(node.run.folder, node);
    node.parent = group;
    if (group === undefined) return;
    group.members.add(node);
    group.sorted = undefined;
    this.groups.set(group.id, group);
  }

  private leave(node: RunNode): void {
    if (node.parent === undefined) return;
    node.parent.members.delete(node);
    node.parent.sorted = undefined;
    node.parent = undefined;
  }

  /** None for a run that the filter hides. A new group counts once it has a member. */
  private groupFor(run: RunSummary): GroupNode | undefined {
    if (!matches(run, this.arrangement.filter)) return undefined;
    const kind = isWaiting(run) ? "queue" : "experiment";
    const experiment = kind === "queue" ? undefined : run.experiment;
    return this.groups.get(groupId(kind, experiment)) ?? new GroupNode(kind, experiment);
  }

  private comesElsewhere(node: RunNode, old: RunSummary, group: GroupNode): boolean {
    if (group.kind === "queue") return old.queuePosition !== node.run.queuePosition;
    const { sorted } = group;
    if (sorted === undefined) return false;
    // Nearly every change is one more step, which moves nothing: comparing with the neighbors is enough.
    const order = orderOf(this.arrangement.sorting);
    if (order(old, node.run) === 0) return false;
    const at = sorted.indexOf(node);
    const [above, below] = [sorted[at - 1], sorted[at + 1]];
    return (
      (above !== undefined && order(above.run, node.run) > 0) ||
      (below !== undefined && order(node.run, below.run) > 0)
    );
  }

  private sortedMembers(group: GroupNode): readonly RunNode[] {
    const order = group.kind === "queue" ? queueOrder : orderOf(this.arrangement.sorting);
    return (group.sorted ??= [...group.members].sort((a, b) => order(a.run, b.run)));
  }

  /** The queue, then the experiments, those with the newest runs first. */
  private sortedRoots(): readonly GroupNode[] {
    const keyed = [...this.groups.values()].map((group) => {
      let newest = "";
      for (const { run } of group.members) if (run.createdAt > newest) newest = run.createdAt;
      return { group, newest, title: experimentTitle(group.experiment ?? "") };
    });
    const byName = this.arrangement.sorting === "name";
    return keyed
      .sort(
        (a, b) =>
          Number(b.group.kind === "queue") - Number(a.group.kind === "queue") ||
          (byName ? compare(a.title, b.title) : compare(b.newest, a.newest)) ||
          compare(a.group.id, b.group.id),
      )
      .map(({ group }) => group);
  }
}

function groupId(kind: GroupNode["kind"], experiment: string | undefined): string {
  return kind === "queue" ? "queue" : `experiment:${experiment ?? ""}`;
}

/** Waiting runs of several devices have equal positions. */
function queueOrder(a: RunSummary, b: RunSummary): number {
  return (
    (a.queuePosition ?? 0) - (b.queuePosition ?? 0) ||
    compare(a.createdAt, b.createdAt) ||
    compare(a.folder, b.folder)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
