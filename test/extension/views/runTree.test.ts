import { describe, expect, test } from "vitest";
import type { RunSummary } from "../../../src/protocol/service/runs";
import { defaultArrangement } from "../../../src/extension/views/runTree/arrangement";
import { presentGroup, presentMore, sharesTitle } from "../../../src/extension/views/runTree/presentGroup";
import { presentRun } from "../../../src/extension/views/runTree/presentRun";
import { pageSize, RunTree, type RunTreeNode } from "../../../src/extension/views/runTree/runTree";
import { loss, someRun } from "./someRun";

function treeOf(...runs: readonly RunSummary[]): RunTree {
  const tree = new RunTree();
  tree.apply(runs, []);
  return tree;
}

const nameOf = (node: RunTreeNode): string =>
  node.kind === "run" ? node.run.name : node.kind === "more" ? presentMore(node).label : node.id;

/** The tree as lines, with two spaces per level. */
function drawn(tree: RunTree): string[] {
  return tree
    .getRoots()
    .flatMap((group) => [nameOf(group), ...tree.getChildren(group).map((node) => `  ${nameOf(node)}`)]);
}

/** The names of the redrawn nodes. */
function redrawn(tree: RunTree, changed: readonly RunSummary[], removed: readonly string[] = []): unknown {
  const nodes = tree.apply(changed, removed);
  return nodes === "everything" ? nodes : nodes.map(nameOf);
}

const other = "/study/other.lathe.md";

test("runs are shown below their experiments, newest first, and waiting runs in a queue above them", () => {
  const tree = treeOf(
    someRun({ name: "a" }),
    someRun({ name: "b", experiment: other }),
    someRun({ name: "c" }),
    someRun({ name: "second", state: "queued", queuePosition: 2 }),
    someRun({ name: "first", state: "queued", queuePosition: 1, experiment: other }),
    someRun({ name: "launching", state: "queued", experiment: other }),
  );
  expect(drawn(tree)).toEqual([
    "queue",
    "  first",
    "  second",
    "experiment:/study/other.lathe.md",
    "  launching",
    "  b",
    "experiment:/study/first.lathe.md",
    "  c",
    "  a",
  ]);
  const [queue, group] = tree.getRoots();
  expect(presentGroup(queue!, false)).toMatchObject({ description: "2 waiting runs", children: "expanded" });
  expect(presentGroup(group!, false)).toMatchObject({ label: "other", description: "2 runs · 1 active" });
  expect(
    tree.getParent(
      tree.getNode(tree.getChildren(group!).map((n) => (n as never as { run: RunSummary }).run.folder)[0]!)!,
    ),
  ).toBe(group);
});

test("a run without a known experiment is shown too", () => {
  const { experiment: _, ...lost } = someRun({ name: "lost" });
  const tree = treeOf(lost);
  expect(drawn(tree)).toEqual(["experiment:", "  lost"]);
  expect(presentGroup(tree.getRoots()[0]!, true)).toMatchObject({
    label: "Without an experiment",
    contextValue: "runGroup",
    children: "expanded",
  });
});

describe("after a change, only what differs is redrawn", () => {
  test("one more step: only the run", () => {
    const run = someRun({ name: "a", state: "running", metrics: loss(3) });
    const tree = treeOf(run, someRun({ name: "b" }));
    const node = tree.getNode(run.folder);
    expect(redrawn(tree, [{ ...run, metrics: loss(2) }])).toEqual(["a"]);
    expect(tree.getNode(run.folder)).toBe(node);
    expect(presentRun(node!.run).description).toBe("train loss 2");
  });

  test("another state: also its experiment, whose row counts active runs", () => {
    const run = someRun({ name: "a", state: "running" });
    const tree = treeOf(run, someRun({ name: "b", experiment: other }));
    expect(redrawn(tree, [{ ...run, state: "done" }])).toEqual(["experiment:/study/first.lathe.md"]);
  });

  test("a new run in the experiment on top: that experiment; in one below: everything, since it moves up", () => {
    const tree = treeOf(someRun({ name: "a" }), someRun({ name: "b", experiment: other }));
    expect(redrawn(tree, [someRun({ experiment: other })])).toEqual([`experiment:${other}`]);
    expect(redrawn(tree, [someRun()])).toBe("everything");
  });

  test("a run that starts: the queue and its experiment, or everything if the queue becomes empty", () => {
    const first = someRun({ name: "first", state: "queued", queuePosition: 1 });
    const second = someRun({ name: "second", state: "queued", queuePosition: 2 });
    const tree = treeOf(first, second, someRun({ name: "a" }));
    const waiting = tree.getNode(first.folder);
    const { queuePosition: _, ...begun } = { ...first, state: "running" as const };
    expect(redrawn(tree, [begun, { ...second, queuePosition: 1 }])).toEqual([
      "queue",
      "experiment:/study/first.lathe.md",
    ]);
    // A row that moved is another row: VS Code mixes them up if the node or the id is the same.
    expect(tree.getNode(first.folder)).not.toBe(waiting);
    expect(presentRun(begun).id).not.toBe(presentRun(first).id);
    const { queuePosition: __, ...last } = { ...second, state: "running" as const };
    expect(redrawn(tree, [last])).toBe("everything");
    expect(drawn(tree)).toEqual(["experiment:/study/first.lathe.md", "  a", "  second", "  first"]);
  });

  test("removed runs: their experiment, or everything if it was the last one", () => {
    const [a, b, c] = [someRun({ name: "a" }), someRun({ name: "b" }), someRun({ experiment: other })];
    const tree = treeOf(a, b, c);
    expect(redrawn(tree, [], [a.folder, "/never/seen"])).toEqual(["experiment:/study/first.lathe.md"]);
    expect(redrawn(tree, [], [c.folder])).toBe("everything");
    expect(drawn(tree)).toEqual(["experiment:/study/first.lathe.md", "  b"]);
  });

  test("sorted by loss, a better loss moves a run and redraws its experiment; a slightly better one does not", () => {
    const [a, b] = [someRun({ name: "a", metrics: loss(2) }), someRun({ name: "b", metrics: loss(3) })];
    const tree = treeOf(a, b, someRun({ name: "none" }));
    tree.arrange({ filter: "", sorting: "loss" });
    expect(drawn(tree).slice(1)).toEqual(["  a", "  b", "  none"]);
    expect(redrawn(tree, [{ ...b, metrics: loss(2.5) }])).toEqual(["b"]);
    expect(redrawn(tree, [{ ...b, metrics: loss(1) }])).toEqual(["experiment:/study/first.lathe.md"]);
    expect(drawn(tree).slice(1)).toEqual(["  b", "  a", "  none"]);
  });
});

describe("a filter", () => {
  const runs = [
    someRun({ name: "dense-1", tags: ["night"], notes: "See Figure 2", star: true }),
    someRun({ name: "grouped-2", variant: "grouped", tags: ["night", "paper"], state: "failed" }),
    someRun({ name: "waits", state: "queued", queuePosition: 1 }),
  ];
  test.each<[string, string[]]>([
    ["", ["waits", "grouped-2", "dense-1"]],
    ["DENSE", ["dense-1"]],
    ['"figure 2"', ["dense-1"]],
    ["grouped", ["grouped-2"]],
    ["state:failed,queued", ["waits", "grouped-2"]],
    ["tag:paper,unknown", ["grouped-2"]],
    ["tag:night star:yes", ["dense-1"]],
    ["-tag:night", ["waits"]],
    ["nothing is like this", []],
  ])("%j leaves %j", (filter, names) => {
    const tree = treeOf(...runs);
    tree.arrange({ filter, sorting: "newest" });
    expect(drawn(tree).filter((line) => line.startsWith("  "))).toEqual(names.map((name) => `  ${name}`));
    expect(tree.visibleCount).toBe(names.length);
    expect(tree.size).toBe(3);
  });

  test("knows a metric from the first run that has it, and reports a name that nothing has", () => {
    const run = someRun({ name: "a" });
    const tree = treeOf(run, someRun({ name: "b" }));
    tree.arrange({ filter: "loss<2", sorting: "newest" });
    expect(tree.filterProblem).toContain('There is no column "loss"');
    expect(tree.visibleCount).toBe(2);
    expect(tree.apply([{ ...run, metrics: loss(1.5) }], [])).toBe("everything");
    expect(tree.filterProblem).toBeUndefined();
    expect(drawn(tree).slice(1)).toEqual(["  a"]);
  });

  test("also applies to later changes", () => {
    const run = someRun({ name: "a", state: "running" });
    const tree = treeOf(run, someRun({ name: "b", state: "running" }));
    tree.arrange({ filter: "state:running", sorting: "newest" });
    expect(redrawn(tree, [{ ...run, state: "done" }])).toEqual(["experiment:/study/first.lathe.md"]);
    expect(redrawn(tree, [{ ...run, state: "done", star: true }])).toEqual([]);
    expect(drawn(tree)).toEqual(["experiment:/study/first.lathe.md", "  b"]);
    tree.arrange(defaultArrangement);
    expect(drawn(tree)).toEqual(["experiment:/study/first.lathe.md", "  b", "  a"]);
  });
});

test("an experiment with many runs shows a page, and the next one on request", () => {
  const tree = treeOf(...Array.from({ length: pageSize * 2 + 7 }, (_, i) => someRun({ name: `r${i}` })));
  const [group] = tree.getRoots();
  const page = tree.getChildren(group!);
  expect(page).toHaveLength(pageSize + 1);
  expect(presentMore(group!.more)).toMatchObject({ label: "Show 200 more", description: "207 not shown" });
  expect(tree.showMore(group!.more)).toEqual([group]);
  expect(presentMore(group!.more)).toMatchObject({ label: "Show 7 more", description: "7 not shown" });
  tree.showMore(group!.more);
  expect(tree.getChildren(group!)).toHaveLength(pageSize * 2 + 7);
  expect(tree.getChildren(group!).map(nameOf)).not.toContain("Show 7 more");
});

test("names are sorted in natural order, and states by urgency", () => {
  const tree = treeOf(
    someRun({ name: "run 10", state: "done" }),
    someRun({ name: "run 9", state: "running" }),
    someRun({ name: "Run 1", state: "failed" }),
  );
  tree.arrange({ filter: "", sorting: "name" });
  expect(drawn(tree).slice(1)).toEqual(["  Run 1", "  run 9", "  run 10"]);
  tree.arrange({ filter: "", sorting: "state" });
  expect(drawn(tree).slice(1)).toEqual(["  run 9", "  Run 1", "  run 10"]);
});

test("5,000 runs: prints how long the tree takes", () => {
  const runs = Array.from({ length: 5000 }, (_, i) =>
    someRun({ name: `run ${i}`, experiment: `/study/e${i % 25}.lathe.md`, metrics: loss(5000 - i) }),
  );
  const timed = (what: string, work: () => unknown) => {
    const [start, busy] = [performance.now(), process.cpuUsage()];
    work();
    const { user, system } = process.cpuUsage(busy);
    const passed = performance.now() - start;
    console.log(
      `${what}: ${passed.toFixed(1)} ms, ${((user + system) / 1000).toFixed(1)} ms of them computing`,
    );
  };
  const tree = new RunTree();
  timed("5,000 runs arrive", () => tree.apply(runs, []));
  timed("experiments are drawn", () => tree.getRoots().map((group) => presentGroup(group, false)));
  timed("one is opened and drawn", () =>
    tree.getChildren(tree.getRoots()[0]!).map((node) => node.kind === "run" && presentRun(node.run)),
  );
  timed("one run takes a step", () => tree.apply([{ ...runs[77]!, metrics: loss(0) }], []));
  timed("all are sorted by loss and drawn", () => {
    tree.arrange({ filter: "", sorting: "loss" });
    return tree.getRoots().map((group) => tree.getChildren(group));
  });
  timed("text is looked for in all", () => tree.arrange({ filter: '"run 49"', sorting: "newest" }));
  expect(tree.visibleCount).toBe(111);
});

test("experiments of the same name are distinguished by their folders", () => {
  const tree = new RunTree();
  tree.apply(
    ["/w/a/first.lathe.md", "/w/b/first.lathe.md", "/w/a/other.lathe.md"].map((experiment) =>
      someRun({ experiment }),
    ),
    [],
  );
  const roots = tree.getRoots();
  expect(roots.map((group) => [group.experiment, sharesTitle(group, roots)])).toEqual([
    ["/w/a/other.lathe.md", false],
    ["/w/b/first.lathe.md", true],
    ["/w/a/first.lathe.md", true],
  ]);
  expect(presentGroup(roots[1]!, false, "b").description).toBe("b · 1 run");
});

test("by loss, evaluations come first and what may not be compared is kept apart, also once that changes", () => {
  const protocol = { data: "a.txt", split: "validation", hash: "aa", tokens: 9, method: "sequences of 8" };
  const measure = (name: string, value: number, hash: string) =>
    someRun({
      name,
      metrics: { "eval/loss": { last: value, min: value, max: value } },
      losses: { "eval/loss": { ...protocol, hash } },
    });
  const [low, high, odd] = [measure("low", 1, "aa"), measure("high", 3, "aa"), measure("odd", 2, "bb")];
  const tree = treeOf(someRun({ name: "trained", metrics: loss(0.5) }), odd, high, low);
  tree.arrange({ ...defaultArrangement, sorting: "loss" });
  expect(drawn(tree).slice(1)).toEqual(["  low", "  high", "  odd", "  trained"]);
  const marks = tree.getMarks(tree.getRoots()[0]!);
  expect([low, high, odd].map((run) => marks.get(run, "eval/loss")?.letter)).toEqual(["A", "A", "B"]);
  tree.apply([{ ...odd, losses: { "eval/loss": protocol } }], []);
  expect(drawn(tree).slice(1)).toEqual(["  low", "  odd", "  high", "  trained"]);
  expect(tree.getMarks(tree.getRoots()[0]!).metrics).toEqual([]);
});

test("a filter may name a setting that no sweep assigns, once the settings are known", () => {
  const runs = [someRun({ name: "small" }), someRun({ name: "large" })] as const;
  const tree = treeOf(...runs);
  tree.arrange({ ...defaultArrangement, filter: "hidden_size>=128" });
  expect(tree.filterProblem).toContain('There is no column "hidden_size"');
  tree.setSettings(
    new Map(runs.map(({ folder }, i) => [folder, { "model.hidden_size": i === 0 ? 64 : 128 }])),
  );
  expect(tree.filterProblem).toBeUndefined();
  expect(drawn(tree).slice(1)).toEqual(["  large"]);
});
