import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, test } from "vitest";
import type { Sample } from "../../src/protocol/blocks";
import { formatCellMarkdown, type CellOutput, type CellRun } from "../../src/protocol/cellOutput";
import type { RunSummary } from "../../src/protocol/service/runs";

const hostile =
  '<img src=x onerror="alert(1)"> [a](command:x) ![b](http://c) | `d` **e** https://e.example www.e.example e@e.example\n# f\n===';
const summary: RunSummary = {
  folder: "/w/.lathe/runs/a",
  id: "a",
  name: hostile,
  variant: hostile,
  sweep: {},
  seed: 0,
  state: "failed",
  failure: { code: "diverged", message: hostile },
  createdAt: "2026-01-01T00:00:00.000Z",
  progress: { step: 3, steps: 10, action: "train" },
  metrics: { "train/loss": { last: 2.5, min: 2, max: 4 } },
  notices: [hostile],
  tags: [],
  notes: "",
  star: false,
};
const output: CellOutput = {
  version: 1,
  runs: [{ summary, steps: [{ index: 0, action: "train", state: "running", blocks: [] }], stale: true }],
  series: [],
};

describe("the plain form of a cell's output", () => {
  test("shows the progress of each run, its losses and why it failed", () => {
    const text = formatCellMarkdown({
      ...output,
      runs: [
        {
          ...output.runs[0]!,
          summary: { ...summary, name: "small", failure: { code: "diverged", message: "No number." } },
        },
      ],
    });
    expect(text).toMatchInlineSnapshot(`
      "| run | state | step | train loss | eval loss | non\\-embedding parameters |
      | --- | --- | --- | --- | --- | --- |
      | small | failed, from an earlier version | 3 of 10 | 2\\.5 | – | – |

      small\\: No number\\."
    `);
  });

  test("shows the samples of several runs side by side, prompt by prompt", () => {
    const run = (name: string, samples: readonly Sample[]): CellRun => ({
      summary: { ...summary, name },
      steps: [{ index: 0, action: "evaluate", state: "done", blocks: [{ kind: "samples", samples }] }],
      stale: false,
    });
    const runs = [
      run("dense", [
        { prompt: "Hi", text: "you\nthere" },
        { prompt: "Hi", text: "again" },
      ]),
      run("grouped", [
        { prompt: "Why?", text: hostile },
        { prompt: "Hi", text: "he" },
      ]),
    ];
    const text = formatCellMarkdown({ ...output, runs });
    const rows = text.slice(text.indexOf("**Samples**")).split("\n").slice(2);
    expect(rows.slice(0, 4)).toEqual([
      "| prompt | dense | grouped |",
      "| --- | --- | --- |",
      "| Hi | you there | he |",
      "| Hi | again | – |",
    ]);
    expect(rows[4]).toMatch(/^\| Why\? \| – \| \\<img src=x/);
    expect(rows).toHaveLength(5);
    // Those of a single run stay unchanged, with their lines.
    expect(formatCellMarkdown({ ...output, runs: runs.slice(0, 1) })).toContain("Hiyou\nthere");
  });

  test("text of a run is never markup", () => {
    const kinds = new Set<string>();
    const visit = (node: { type: string; children?: readonly unknown[] }) => {
      kinds.add(node.type);
      for (const child of node.children ?? []) visit(child as { type: string });
    };
    visit(fromMarkdown(formatCellMarkdown(output)));
    expect([...kinds].sort()).toEqual(["paragraph", "root", "text"]);
    // Editors turn bare addresses into links; this one does not become a link.
    expect(formatCellMarkdown(output)).not.toMatch(/https:|www\.e|e@e/);
  });
});
