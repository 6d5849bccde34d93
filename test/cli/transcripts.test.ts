/** What a person sees of `lathe run` on a narrow and a wide terminal and in a file, with a small loop in place of training. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { getTextWidth } from "../../src/cli/textWidth";
import { bundle, bundleLoop, newWorkspace } from "../backend/runs/workbench";
import { findMissingTmux, Tmux } from "./tmux";

let cli: string;
let script: string;
beforeAll(async () => {
  cli = await bundle("src/cli/main.ts", "lathe");
  script = await bundleLoop();
});

const variants = [
  "dense",
  "low-rank-16",
  "low-rank-8",
  "grouped-of-four-blocks",
  "grouped-of-two-blocks",
  "kron",
  "shared",
  "quantized-8-bits",
  "quantized-4-bits",
  "one-with-a-very-long-name-of-40-letters",
];

const card = `
paper:
  title: Thirty small runs, one card
  baseline: dense
  published:
    - {variant: dense, quantity: eval/loss, value: 0.9, tolerance: 0.1, source: "Table 2 of the publication, second column"}
  questions:
    - {question: "Is a model of low rank as good as the dense one of the same width?", variant: low-rank-16, against: dense}
data: {grammar: {}}
model: {model_type: llama, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2}
train: {max_steps: 20, per_device_train_batch_size: 1, warmup_steps: 5}
variants: {${variants.map((name, i) => `${name}: {train: {max_steps: ${20 + 5 * i}}}`).join(", ")}}
sweep: {seed: [0, 1, 2]}
report: {}
`;

interface Session {
  readonly workspace: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function prepare(cells = card): Session {
  const workspace = newWorkspace();
  writeFileSync(join(workspace, "card.lathe.md"), `# A test\n\n\`\`\`yaml\n${cells.trim()}\n\`\`\`\n`);
  return {
    workspace,
    command: [process.execPath, cli, "run", "card.lathe.md"],
    env: {
      LATHE_RUN_PROCESS: script,
      LATHE_STATE_DIR: join(workspace, "state"),
      NO_COLOR: "1",
    },
  };
}

/** Without what another run, machine or moment would change. */
function normalize(text: string, workspace: string): string {
  return text
    .replaceAll(workspace, "WORKSPACE")
    .replace(/-\d{8}-\d{6}-[0-9a-f]{4}/g, "-ID")
    .replace(/\b\d+ s$/gm, "T s")
    .replace(/ +T s$/gm, "  T s");
}

/** A line that a slow run adds to a file now and then. */
const isProgress = (line: string) => /^\d+\/30 .* (train|starting|preparing|queued)/.test(line);

describe("lathe run of a card with thirty runs", { timeout: 240_000 }, () => {
  const missing = findMissingTmux();

  for (const columns of [80, 120])
    it(`is readable in a terminal of ${columns} columns`, async ({ skip }) => {
      if (missing !== undefined) skip(missing);
      const { workspace, command, env } = prepare();
      using tmux = new Tmux(command, { columns, cwd: workspace, env });
      const status = await tmux.ended();
      expect(status, tmux.text).toBe(0);
      const { lines } = tmux;
      const ends = lines.filter((line) => line.startsWith("✓"));
      expect(ends.map((line) => /^✓ (\d+)\/30 /.exec(line)?.[1])).toEqual(
        Array.from({ length: 30 }, (_, i) => String(i + 1)),
      );
      expect(new Set(ends.map((line) => line.split(" ")[2])).size).toBe(30);
      // Nothing of what was redrawn is left, and what thirty runs reported is there once.
      expect(lines.filter((line) => /[█░]|left for all/.test(line))).toEqual([]);
      expect(lines.filter((line) => line.startsWith("Notice: "))).toHaveLength(1);
      expect(Math.max(...lines.map(getTextWidth))).toBeLessThanOrEqual(columns);
      await expect(normalize(tmux.text, workspace)).toMatchFileSnapshot(
        `transcripts/run-at-${columns}-columns.txt`,
      );
    });

  it("is one line a run in a file, without anything that is redrawn", async () => {
    const { workspace, command, env } = prepare();
    const { status } = spawnSync("sh", ["-c", `exec "$0" "$@" > out.txt 2> err.txt`, ...command], {
      cwd: workspace,
      env: { ...process.env, FORCE_COLOR: "", ...env },
    });
    const read = (name: string) => readFileSync(join(workspace, name), "utf8");
    const [output, errors] = [read("out.txt"), read("err.txt")];
    expect(status, errors).toBe(0);
    // eslint-disable-next-line no-control-regex -- Nothing may steer a terminal in a file.
    expect(errors + output).not.toMatch(/[\u001b\r█░]/);
    const lines = errors.split("\n").filter((line) => !isProgress(line));
    expect(lines.filter((line) => line.startsWith("✓"))).toHaveLength(30);
    // Rows stay on one line each, so that other programs can cut them apart.
    expect(output).toMatch(/^one-with-a-very-long-name-of-40-letters-seed2 +done/m);
    await expect(normalize(`${lines.join("\n")}\n${output}`, workspace)).toMatchFileSnapshot(
      "transcripts/run-into-a-file.txt",
    );
  });
});

describe("a run in a terminal", { timeout: 120_000 }, () => {
  const missing = findMissingTmux();
  const two = card
    .replace(/variants: .*/, "variants: {dense: {}, kron: {}}")
    .replace(
      "max_steps: 20, per_device_train_batch_size: 1",
      "max_steps: 100000, per_device_train_batch_size: 20",
    )
    .replace("variant: low-rank-16", "variant: kron");

  it("shows its own progress and that of all on the last two lines, also after the window was resized", async ({
    skip,
  }) => {
    if (missing !== undefined) skip(missing);
    const { workspace, command, env } = prepare(two);
    using tmux = new Tmux(command, { columns: 100, cwd: workspace, env });
    const own = /^dense-seed0 {2}train {2}[█░]+ {2}\d+\/100000 {2}eval loss [\d.]+ {2}train loss [\d.]+/;
    const all = /^run 1 of 6 {2}[█░]+ {2}0 % {2}.+ left for all$/;
    await expect.poll(() => tmux.lines.at(-2)).toMatch(own);
    expect(tmux.lines.at(-1)).toMatch(all);
    for (const columns of [60, 140]) {
      tmux.resize(columns);
      // Of the lines as they were drawn for the other width, nothing is left.
      await expect
        .poll(() => tmux.lines.filter((line) => line.startsWith("dense-seed0  train  ")).length)
        .toBe(1);
      await expect
        .poll(() => tmux.lines.slice(-2))
        .toEqual([
          expect.stringMatching(
            columns === 60 ? /eval loss [\d.]+$/ : /eval loss .* train loss .* left .*tok\/s$/,
          ),
          expect.stringMatching(/^run 1 of 6 {2}░+ {2}0 % {2}.+ left for all$/),
        ]);
    }
    tmux.press("C-c");
    const status = await tmux.ended();
    expect(status, tmux.text).toBe(3);
    const lines = tmux.lines;
    expect(lines.filter((line) => /[█░]/.test(line))).toEqual([]);
    expect(tmux.text).toMatch(/^Stopping .* after this step, with a checkpoint/m);
    expect(lines.some((line) => /^■ 1\/6 dense-seed0 {2}stopped at step \d+ of 100000/.test(line))).toBe(
      true,
    );
    expect(lines.some((line) => line === "Not started: 5 of 6 runs.")).toBe(true);
  });
});
