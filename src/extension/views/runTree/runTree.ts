/**
 * The runs as a tree: waiting runs, then the experiments with theirs. It keeps the nodes, because VS Code knows them by
 * identity, and reports after a change which of them must be redrawn; everything is sorted only when it is shown.
 */
import { compareText } from "../../../protocol/compareText";
import { getProtocolKey } from "../../../protocol/lossProtocol";
import { ProtocolMarks } from "../../../protocol/protocolMarks";
import { collectKeys, createRunFields, type Settings } from "../../../protocol/runFields";
import { parseFilter, type RunFilter } from "../../../protocol/runFilter";
import type { RunSummary } from "../../../protocol/service/runs";
import { getExperimentTitle } from "../text";
import { type Arrangement, getComparator, defaultArrangement } from "./arrangement";
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
  /** On losses that are not all comparable; undefined until somebody looks. */
  marks: ProtocolMarks | undefined;
  limit = pageSize;
  readonly more: MoreNode = { kind: "more", group: this };

  constructor(
    readonly kind: "queue" | "experiment",
    /** The file's absolute path; undefined for the queue, and for runs whose experiment is not known. */
    readonly experiment: string | undefined,
  ) {
    this.id = getGroupId(kind, experiment);
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
  private arrangement = defaultArrangement;
  private filter: RunFilter = { matches: () => true };
  /** Metrics and swept settings that the filter knows. */
  private knownKeys: ReadonlySet<string> = new Set();
  /** Those that no sweep assigns, as far as a filter has needed them. */
  private settings: Settings = new Map();
  private roots: readonly GroupNode[] | undefined;

  get size(): number {
    return this.nodes.size;
  }

  /** How many the filter lets through. */
  get visibleCount(): number {
    let visible = 0;
    for (const { members } of this.groups.values()) visible += members.size;
    return visible;
  }

  getRoots(): readonly GroupNode[] {
    return (this.roots ??= this.sortRoots());
  }

  getChildren(node: RunTreeNode): readonly RunTreeNode[] {
    if (node.kind === "run" || node.kind === "more") return [];
    const sorted = this.getSortedMembers(node);
    return sorted.length > node.limit ? [...sorted.slice(0, node.limit), node.more] : sorted;
  }

  getParent(node: RunTreeNode): GroupNode | undefined {
    return node.kind === "run" ? node.parent : node.kind === "more" ? node.group : undefined;
  }

  getNode(folder: string): RunNode | undefined {
    return this.nodes.get(folder);
  }

  showMore({ group }: MoreNode): Redraw {
    group.limit += pageSize;
    return [group];
  }

  arrange(arrangement: Arrangement): void {
    this.arrangement = arrangement;
    this.filter = this.parseFilter();
    this.groups.clear();
    this.roots = undefined;
    for (const { run } of [...this.nodes.values()])
      this.addToGroup({ kind: "run", run, parent: undefined }, this.findGroup(run));
  }

  setSettings(settings: Settings): void {
    this.settings = settings;
    this.arrange(this.arrangement);
  }

  /** What is wrong with the filter. */
  get filterProblem(): string | undefined {
    return this.filter.problem;
  }

  apply(changed: readonly RunSummary[], removed: readonly string[]): Redraw {
    if (this.arrangement.filter === "" || changed.every((run) => this.hasKnownKeys(run)))
      return this.update(changed, removed);
    // The filter may be about what only these runs have.
    this.update(changed, removed);
    this.arrange(this.arrangement);
    return "everything";
  }

  private hasKnownKeys({ metrics, sweep }: RunSummary): boolean {
    return [...Object.keys(metrics), ...Object.keys(sweep)].every((key) => this.knownKeys.has(key));
  }

  private parseFilter(): RunFilter {
    const keys = collectKeys(
      [...this.nodes.values()].map(({ run }) => run),
      this.settings,
    );
    this.knownKeys = new Set([...keys.metrics, ...keys.sweepKeys]);
    return parseFilter(this.arrangement.filter, createRunFields(keys, this.settings));
  }

  private update(changed: readonly RunSummary[], removed: readonly string[]): Redraw {
    const previousRoots = this.getRoots();
    const stale = new Set<GroupNode>();
    const redrawn = new Set<RunNode>();
    for (const folder of removed) {
      const node = this.nodes.get(folder);
      if (node === undefined) continue;
      this.nodes.delete(folder);
      if (node.parent !== undefined) stale.add(node.parent);
      this.removeFromGroup(node);
    }
    for (const run of changed) {
      const node = this.nodes.get(run.folder);
      const [from, to] = [node?.parent, this.findGroup(run)];
      if (node === undefined || from !== to) {
        // A node of its own in each place: VS Code knows nodes by identity, and none that moves.
        if (node !== undefined) this.removeFromGroup(node);
        this.addToGroup({ kind: "run", run, parent: undefined }, to);
        for (const group of [from, to]) if (group !== undefined) stale.add(group);
        continue;
      }
      const previous = node.run;
      node.run = run;
      if (to === undefined) continue;
      redrawn.add(node);
      const isMeasuredAnew = describeMeasures(previous) !== describeMeasures(run);
      if (isMeasuredAnew) to.marks = undefined;
      const isMoved = isMeasuredAnew || this.isMoved(node, previous, to);
      if (isMoved) to.sorted = undefined;
      if (isMoved || previous.state !== run.state) stale.add(to);
    }
    for (const group of stale) if (group.members.size === 0) this.groups.delete(group.id);
    this.roots = undefined;
    const roots = this.getRoots();
    if (previousRoots.length !== roots.length || previousRoots.some((group, index) => group !== roots[index]))
      return "everything";
    // A group includes its runs.
    const ungrouped = [...redrawn].filter(({ parent }) => parent !== undefined && !stale.has(parent));
    return [...stale, ...ungrouped];
  }

  private addToGroup(node: RunNode, group: GroupNode | undefined): void {
    this.nodes.set(node.run.folder, node);
    node.parent = group;
    if (group === undefined) return;
    group.members.add(node);
    group.sorted = group.marks = undefined;
    this.groups.set(group.id, group);
  }

  private removeFromGroup(node: RunNode): void {
    if (node.parent === undefined) return;
    node.parent.members.delete(node);
    node.parent.sorted = node.parent.marks = undefined;
    node.parent = undefined;
  }

  /** None for a run that the filter hides. A new group counts once it has a member. */
  private findGroup(run: RunSummary): GroupNode | undefined {
    if (!this.filter.matches(run)) return undefined;
    const kind = isWaiting(run) ? "queue" : "experiment";
    const experiment = kind === "queue" ? undefined : run.experiment;
    return this.groups.get(getGroupId(kind, experiment)) ?? new GroupNode(kind, experiment);
  }

  private isMoved(node: RunNode, previous: RunSummary, group: GroupNode): boolean {
    if (group.kind === "queue") return previous.queuePosition !== node.run.queuePosition;
    const { sorted } = group;
    if (sorted === undefined) return false;
    // Nearly every change is one more step, which moves nothing: comparing with the neighbors is enough.
    const compare = getComparator(this.arrangement.sorting);
    const order = (a: RunSummary, b: RunSummary) => compare(a, b, group.marks);
    if (order(previous, node.run) === 0) return false;
    const at = sorted.indexOf(node);
    const [above, below] = [sorted[at - 1], sorted[at + 1]];
    return (
      (above !== undefined && order(above.run, node.run) > 0) ||
      (below !== undefined && order(node.run, below.run) > 0)
    );
  }

  private getSortedMembers(group: GroupNode): readonly RunNode[] {
    const order = group.kind === "queue" ? compareQueuePositions : getComparator(this.arrangement.sorting);
    const marks = this.arrangement.sorting === "loss" ? this.getMarks(group) : undefined;
    return (group.sorted ??= [...group.members].sort((a, b) => order(a.run, b.run, marks)));
  }

  /** Letters for ways of measuring, given over all runs, as on the pages. */
  getMarks(group: GroupNode): ProtocolMarks {
    const shown = () => [...group.members].map(({ run }) => run);
    return (group.marks ??= new ProtocolMarks(() => [...this.nodes.values()].map(({ run }) => run), shown()));
  }

  /** The queue, then the experiments, those with the newest runs first. */
  private sortRoots(): readonly GroupNode[] {
    const entries = [...this.groups.values()].map((group) => {
      let newest = "";
      for (const { run } of group.members) if (run.createdAt > newest) newest = run.createdAt;
      return { group, newest, title: getExperimentTitle(group.experiment ?? "") };
    });
    const byName = this.arrangement.sorting === "name";
    return entries
      .sort(
        (a, b) =>
          Number(b.group.kind === "queue") - Number(a.group.kind === "queue") ||
          (byName ? compareText(a.title, b.title) : compareText(b.newest, a.newest)) ||
          compareText(a.group.id, b.group.id),
      )
      .map(({ group }) => group);
  }
}

/** Changes when the run has a loss that it did not have. */
function describeMeasures({ losses, metrics }: RunSummary): string {
  return Object.entries(losses ?? {})
    .map(([metric, protocol]) => `${metric} ${metrics[metric] === undefined ? "" : getProtocolKey(protocol)}`)
    .join("\n");
}

function getGroupId(kind: GroupNode["kind"], experiment: string | undefined): string {
  return kind === "queue" ? "queue" : `experiment:${experiment ?? ""}`;
}

/** Waiting runs of several devices have equal positions. */
function compareQueuePositions(a: RunSummary, b: RunSummary): number {
  return (
    (a.queuePosition ?? 0) - (b.queuePosition ?? 0) ||
    compareText(a.createdAt, b.createdAt) ||
    compareText(a.folder, b.folder)
  );
}
