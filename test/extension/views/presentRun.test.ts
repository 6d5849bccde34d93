import { fromMarkdown } from "mdast-util-from-markdown";
import { expect, test } from "vitest";
import { presentRun } from "../../../src/extension/views/runTree/presentRun";
import {
  shownStates,
  statePresentations,
  findWorstState,
} from "../../../src/extension/views/runTree/runStates";
import { ProtocolMarks } from "../../../src/protocol/protocolMarks";
import { createRunTooltip } from "../../../src/extension/views/runTree/runTooltip";
import { hostile, loss, someRun } from "./someRun";

const counts = { trainable: 1000, stored: 900, nonZero: 800, bits: 28_800, bytes: 3600 };

test("a running run shows its loss, progress, elapsed time and remaining time", () => {
  const run = someRun({
    name: "grouped",
    state: "running",
    metrics: loss(1.6234),
    seconds: 75,
    progress: { step: 43, steps: 100, secondsLeft: 12, action: "train" },
    tags: ["night", "paper", "a", "b"],
    star: true,
  });
  const face = presentRun(run);
  expect(face.label).toBe("grouped");
  expect(face.description).toBe(
    "★ · train loss 1.623 · 43 % · 1 min 15 s · 12 s left · #night · #paper · #a · +1",
  );
  expect(face.contextValue).toBe("run.running.active.measured.starred.tagged");
  expect(face.spoken).toBe(
    "grouped, running, starred, train loss 1.623, 43 %, 1 min 15 s, 12 s left, tag night, tag paper, tag a",
  );
});

test.each([
  [{ state: "queued" }, "starting", "run.queued.active.plain"],
  [{ state: "queued", queuePosition: 2 }, "behind 2", "run.queued.active.waiting.plain"],
  [{ state: "paused", seconds: 5 }, "5 s", "run.paused.active.plain"],
  [{ state: "stopped" }, "", "run.stopped.ended.resumable.plain"],
  [{ state: "held" }, "held for the others of its rung", "run.held.ended.plain"],
  [
    {
      state: "pruned",
      pruned: { step: 90, steps: 810, metric: "eval/loss", value: 3.21, needed: 2.95 },
      progress: { step: 90, steps: 810, action: "train" },
    },
    "11 % · pruned at step 90 of 810: eval loss 3.21, rung needed ≤ 2.95",
    "run.pruned.ended.plain",
  ],
  [
    { state: "interrupted", metrics: loss(2) },
    "train loss 2",
    "run.interrupted.ended.resumable.measured.plain",
  ],
  [
    { state: "failed", failure: { code: "diverged", message: "The loss is not a number." } },
    "The loss is not a number.",
    "run.failed.ended.resumable.plain",
  ],
  [{ state: "done", metrics: loss(1e-4) }, "train loss 1.00e−4", "run.done.ended.measured.plain"],
  [
    { state: "unreadable", failure: { code: "corrupt", message: "run.json is not JSON." } },
    "run.json is not JSON.",
    "run.unreadable.plain",
  ],
] as const)(
  "a run that is %j shows its state and the possible actions",
  (given, description, contextValue) => {
    expect(presentRun(someRun(given))).toMatchObject({ description, contextValue });
  },
);

test("every state has a different shape, so that colors are not needed", () => {
  const shapes = shownStates.map((state) => statePresentations[state].icon.id);
  expect(new Set(shapes).size).toBe(shownStates.length);
});

test("a failure that was fixed since does not make an experiment look broken", () => {
  const failed = someRun({ variant: "dense", state: "failed" });
  expect(findWorstState([failed, someRun({ variant: "dense" })])).toBe("done");
  expect(findWorstState([failed, someRun({ variant: "grouped" })])).toBe("failed");
  expect(findWorstState([])).toBeUndefined();
});

test("text of a run stays on one line, whatever it contains", () => {
  const face = presentRun(
    someRun({ name: hostile, tags: [hostile], state: "failed", failure: { code: "io", message: hostile } }),
  );
  for (const text of [face.label, face.description ?? "", face.spoken]) {
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    expect(text.length).toBeLessThan(1200);
  }
  expect(presentRun(someRun({ name: "x".repeat(5_000_000) })).label).toHaveLength(26);
  expect(presentRun(someRun({ name: "\u0000", id: "the-id" })).label).toBe("\\u0000");
  expect(presentRun(someRun({ name: " \n ", id: "the-id" })).label).toBe("the-id");
});

test("a long name loses its middle, not the end in which runs differ, except where it is read aloud", () => {
  const name = "first-grouped-projections-of-attention-heads-12-seed3";
  const face = presentRun(someRun({ name }), { isBelowExperiment: true });
  expect(face.label).toBe("grouped-pr…-heads-12-seed3");
  expect(face.spoken).toMatch(/^grouped-projections-of-attention-heads-12-seed3, done/);
});

test("a tooltip shows all details", () => {
  const run = someRun({
    id: "grouped-1",
    name: "grouped",
    state: "running",
    variant: "grouped",
    sweep: { "train.learning_rate": 0.001 },
    seed: 3,
    device: { name: "cpu", description: "8 cores", reason: "auto: no graphics card" },
    progress: { step: 1234, steps: 5000, secondsLeft: 90, action: "train" },
    counts: { nonEmbedding: counts, total: { ...counts, stored: 1900 } },
    metrics: { "z/rate": { last: 3, min: 1, max: 4 }, ...loss(1.5) },
    notices: ["Falls back to the processor."],
    notes: "Try again\nwith more steps",
  });
  const text = createRunTooltip(run).replaceAll("\\", "");
  expect(text).toContain("Variant: grouped");
  expect(text).toContain("Seed: 3");
  expect(text).toContain("Sweep: train.learning_rate = 0.001");
  expect(text).toContain("Device: cpu, 8 cores (auto: no graphics card)");
  expect(text).toContain("Progress: train, 24 %, 1,234 of 5,000 steps, 1 min 30 s left");
  expect(text).toContain(
    "Parameters in total: 1,900 stored, 1,000 trainable, 800 not zero, 28,800 bits, 3.60 kB",
  );
  expect(text).toContain("| train/loss | 1.5 | 1.5 | 1.5 |\n| z/rate | 3 | 1 | 4 |");
  expect(text).toContain("Notice: Falls back to the processor.");
  expect(text).toContain("Notes: Try again with more steps");
});

test("text of a run does not become markup in its tooltip", () => {
  const run = someRun({
    id: hostile,
    name: hostile,
    variant: hostile,
    sweep: { [hostile]: hostile, list: [{ [hostile]: 1 }] },
    device: { name: hostile, description: hostile, reason: hostile },
    failure: { code: "io", message: hostile },
    state: "failed",
    tags: [hostile],
    notes: hostile,
    notices: [hostile],
    metrics: { [hostile]: { last: 1, min: 1, max: 1 } },
    progress: { step: 1, steps: 2, action: hostile },
  });
  const markdown = createRunTooltip(run);
  const kinds = new Set<string>();
  const visit = (node: { readonly type: string; readonly children?: readonly never[] }): void => {
    kinds.add(node.type);
    node.children?.forEach(visit);
  };
  visit(fromMarkdown(markdown) as never);
  // Only the tooltip's own elements; its table is plain text to this parser.
  expect([...kinds].sort()).toEqual(["break", "paragraph", "root", "strong", "text"]);
  // Addresses that some parsers turn into links, and icons.
  expect(markdown).not.toMatch(/https?:\/\/|www\.|\w@\w|\$\(/);
  // A row of the table stays one row.
  expect(markdown.split("\n").filter((line) => line.startsWith("| "))).toHaveLength(3);
  for (const row of markdown.split("\n").filter((line) => line.startsWith("| ")))
    expect(row.replaceAll("\\|", "").split("|")).toHaveLength(6);
});

test("the loss of the evaluations is the headline, named and marked; the experiment's name is that of the row above", () => {
  const protocol = { data: "a.txt", split: "validation", hash: "aa", tokens: 9, method: "sequences of 8" };
  const metrics = { ...loss(1), "eval/loss": { last: 2, min: 2, max: 2 } };
  const run = someRun({ name: "first-dense", metrics, losses: { "eval/loss": protocol } });
  const other = someRun({ metrics, losses: { "eval/loss": { ...protocol, hash: "bb", tokens: 7 } } });
  expect(presentRun(run)).toMatchObject({ label: "first-dense", description: "eval loss 2" });
  const marks = new ProtocolMarks(() => [run, other]);
  expect(presentRun(run, { isBelowExperiment: true, marks })).toMatchObject({
    label: "dense",
    description: "eval loss 2 A",
  });
  expect(createRunTooltip(other, marks).replaceAll("\\", "")).toContain(
    "Not comparable with A: 7 tokens instead of 9 tokens",
  );
});
