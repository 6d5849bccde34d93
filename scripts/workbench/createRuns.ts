/** Thousands of run folders, one of them with a long history: what the workbench is measured on. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { formatMetricLine } from "../../src/backend/runs/metrics/metricLine";
import { RunFolder } from "../../src/backend/runs/folder/runFolder";
import { makeRunId } from "../../src/backend/runs/folder/runLocation";
import type { MetricLine, RunPlan } from "../../src/protocol/run";

export interface Counts {
  readonly runs: number;
  /** Of the long history. */
  readonly lines: number;
}

/** The same numbers each time. */
const generator = xoroshiro128plus(1);
const random = () => (generator.next() >>> 0) / 2 ** 32;

const plan: RunPlan = {
  experiment: "sizes.lathe.md",
  name: "sizes-dense",
  folder: ".",
  variant: "dense",
  sweep: { "train.learning_rate": 0.001 },
  seed: 42,
  device: "cpu",
  data: { text: ["**/*.ts"], tokenizer: "bytes", sequence_len: 256 },
  model: {
    model_type: "phi3",
    vocab_size: 257,
    hidden_size: 192,
    intermediate_size: 576,
    num_hidden_layers: 2,
  },
  baseModel: undefined,
  steps: [
    { index: 0, action: "train", options: { max_steps: 400, learning_rate: 0.001 }, key: "0123456789abcdef" },
  ],
};

/** A line as training writes it: evaluated every hundredth step. */
export function createMetricLine(step: number): MetricLine {
  return {
    step,
    tokens: step * 2048,
    "train/loss": Math.fround(2 + 4 / Math.sqrt(1 + step / 1000) + 0.2 * random()),
    "train/grad_norm": Math.sqrt(3 * random()),
    "train/learning_rate": 0.001 * (1 - step / 2e6),
    "train/tokens_per_second": 20_000 * (1 + 0.1 * random()),
    ...(step % 100 === 0 ? { "eval/loss": 2 + 4 / Math.sqrt(1 + step / 1000) } : {}),
    seconds: step * 0.1 + 0.01 * random(),
  };
}

function writeHistory(path: string, lines: number): void {
  const file = openSync(path, "w");
  for (let step = 1; step <= lines;) {
    let text = "";
    for (const end = Math.min(lines, step + 4999); step <= end; step++)
      text += formatMetricLine(createMetricLine(step));
    writeSync(file, text);
  }
  closeSync(file);
}

/** Run folders as real ones are, but written without waiting for the disk thousands of times. The newest has the long history. */
export function createRuns(runsFolder: string, counts: Counts): void {
  mkdirSync(runsFolder, { recursive: true });
  const folder = RunFolder.create(runsFolder, plan, {
    state: "done",
    versions: { lathe: "0", node: process.version },
  });
  const summary = {
    "train/loss": { last: 3.1, min: 3, max: 6 },
    "eval/loss": { last: 3.2, min: 3.2, max: 6 },
  };
  folder.update({
    summary,
    startedAt: folder.record.createdAt,
    endedAt: folder.record.createdAt,
    seconds: 60,
  });
  writeHistory(folder.inside("metrics.jsonl"), counts.lines);
  const history = Array.from({ length: 40 }, (_, i) => formatMetricLine(createMetricLine(i + 1))).join("");
  const created = Date.now();
  for (let i = 1; i < counts.runs; i++) {
    const at = new Date(created - i * 60_000);
    const id = makeRunId(plan.name, at);
    mkdirSync(join(runsFolder, id));
    const record = { ...folder.record, id, createdAt: at.toISOString(), plan: { ...plan, seed: i } };
    writeFileSync(join(runsFolder, id, "run.json"), `${JSON.stringify(record, undefined, 2)}\n`);
    writeFileSync(join(runsFolder, id, "metrics.jsonl"), history);
  }
}
