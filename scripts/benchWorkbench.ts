/**
 * `npm run bench:workbench`: how the backend service stands many runs and a long history. Makes run folders in a temporary
 * place, forks the built service as the extension does, and prints times and memory. Nothing is asserted.
 * `--runs 5000` and `--lines 1000000` say how much.
 */
import { type ChildProcess, fork } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { cpus, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { writeAtomic } from "../src/backend/runs/atomicFile";
import { formatMetricLine } from "../src/backend/runs/metricLine";
import { ownIdentity } from "../src/backend/runs/processIdentity";
import { RunFolder } from "../src/backend/runs/runFolder";
import { makeRunId, runsFolderOf } from "../src/backend/runs/runLocation";
import type { Events, Requests } from "../src/protocol/backend";
import { Connection, type Nothing } from "../src/protocol/connection";
import { WorkbenchError } from "../src/protocol/errors";
import type { MetricLine, RunPlan, RunRecord } from "../src/protocol/run";
import type { SeriesQuery } from "../src/protocol/service/metrics";

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "5000" }, lines: { type: "string", default: "1000000" } },
});
const counts = { runs: Number(options.runs), lines: Number(options.lines) };

/** The same numbers each time. */
const generator = xoroshiro128plus(1);
const random = () => (generator.next() >>> 0) / 2 ** 32;

const plan: RunPlan = {
  experiment: "sizes.lathe.md",
  name: "sizes",
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
function metricLine(step: number): MetricLine {
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
      text += formatMetricLine(metricLine(step));
    writeSync(file, text);
  }
  closeSync(file);
}

/** Run folders as real ones are, but written without waiting for the disk thousands of times. */
function makeRuns(runsFolder: string): RunRecord {
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
  const history = Array.from({ length: 40 }, (_, i) => formatMetricLine(metricLine(i + 1))).join("");
  const created = Date.now();
  for (let i = 1; i < counts.runs; i++) {
    const at = new Date(created - i * 60_000);
    const id = makeRunId(plan.name, at);
    mkdirSync(join(runsFolder, id));
    const record = { ...folder.record, id, createdAt: at.toISOString(), plan: { ...plan, seed: i } };
    writeFileSync(join(runsFolder, id, "run.json"), `${JSON.stringify(record, undefined, 2)}\n`);
    writeFileSync(join(runsFolder, id, "metrics.jsonl"), history);
  }
  return folder.record;
}

function connect(child: ChildProcess) {
  const channel = {
    post: (message: unknown) => void child.send(message as object),
    listen: (listener: (message: unknown) => void) => void child.on("message", listener),
  };
  const onFault = (error: WorkbenchError) => console.error(error.message);
  const connection = new Connection<Requests, Events, Nothing, Nothing>(channel, {}, { onFault });
  child.on("exit", (code) => connection.end(new WorkbenchError("io", `The service ended with ${code}.`)));
  connection.on("logged", ({ level, message }) => {
    if (level !== "info") console.error(message);
  });
  return connection;
}

/** Milliseconds of processor so far, which tell more than a clock where others are at work too. */
function processor({ pid }: ChildProcess): number {
  if (process.platform !== "linux") return NaN;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10; // The kernel tells hundredths of a second.
}

/** Megabytes in use now and at most so far, where the system tells. */
function memory({ pid }: ChildProcess): string {
  if (process.platform !== "linux") return "not told by this system";
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const megabytes = (key: string) =>
    Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
  return `${megabytes("VmRSS")} MiB, at most ${megabytes("VmHWM")} MiB`;
}

const print = (what: string, figure: string) => console.log(`${what.padEnd(64)} ${figure}`);

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work();
  print(what, `${(performance.now() - begun).toFixed(0)} ms`);
  return result;
}

async function measure(workspace: string): Promise<void> {
  const runsFolder = runsFolderOf(workspace);
  const begun = performance.now();
  const child = fork(fileURLToPath(new URL("../dist/backend.cjs", import.meta.url)), {
    serialization: "advanced",
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1", LATHE_STATE_DIR: join(workspace, "state") },
  });
  const service = connect(child);
  try {
    await service.request("workspace.open", { folders: [workspace], experiments: [], trusted: true });
    const list = async () => (await service.request("runs.list", {})).runs;
    const since = () => `${(performance.now() - begun).toFixed(0)} ms`;
    let runs = await list();
    print(`fork, open, list of the newest ${runs.length} runs`, since());
    for (; runs.length < counts.runs; runs = await list()) await setTimeout(20);
    print(`list of all ${runs.length} runs, from the fork on`, since());
    await timed("the list again", list);
    print("memory of the service", memory(child));

    const long = runs[0]!.folder;
    const query = (more: Partial<SeriesQuery> = {}): SeriesQuery => ({
      run: long,
      metric: "train/loss",
      axis: "step",
      points: 2000,
      ...more,
    });
    const ask = async (...queries: SeriesQuery[]) =>
      (await service.request("metrics.series", { queries })).series[0]!;
    const before = processor(child);
    const { total, x } = await timed(`curve of ${counts.lines} lines, first time`, () => ask(query()));
    print("processor that this took", `${processor(child) - before} ms`);
    print("points of it, and points that are drawn", `${total}, ${x.length}`);
    await timed("the same curve again", () => ask(query()));
    await timed("a tenth of it", () => ask(query({ from: counts.lines * 0.4, to: counts.lines * 0.5 })));
    await timed("on a logarithmic axis of time", () => ask(query({ axis: "seconds", logarithmic: true })));
    const others = runs.slice(1, 31).map(({ folder }) => query({ run: folder }));
    await timed("curves of thirty other runs", () => ask(...others));
    print("memory of the service", memory(child));

    await service.request("metrics.watch", { watcher: "bench", runs: [long] });
    const changed = (wanted: (run: string) => boolean) =>
      new Promise<void>((resolve) => {
        const heard = service.on("runsChanged", (changes) => {
          if (!changes.changed.some(({ folder }) => wanted(folder))) return;
          heard.dispose();
          resolve();
        });
      });
    await timed("news of a run that is annotated", async () => {
      const news = changed((run) => run === long);
      await service.request("runs.annotate", { run: long, notes: { star: true } });
      await news;
    });
    const active = join(runsFolder, makeRunId("active", new Date()));
    const identity = await ownIdentity();
    const record = JSON.parse(readFileSync(join(long, "run.json"), "utf8")) as RunRecord;
    const going: RunRecord = {
      ...record,
      id: basename(active),
      state: "running",
      process: { ...identity, socket: "" },
    };
    await timed("news of a run folder that appears", async () => {
      const news = changed((run) => run === active);
      mkdirSync(active);
      writeAtomic(join(active, "run.json"), JSON.stringify(going));
      await news;
    });
    await timed("news of progress in the record of a run that is going", async () => {
      const news = changed((run) => run === active);
      const progress = { step: 7, steps: 100, action: "train" };
      writeAtomic(join(active, "run.json"), JSON.stringify({ ...going, progress }));
      await news;
    });
    await service.request("metrics.watch", { watcher: "bench", runs: [active] });
    await timed("news of a metric line of a run that is going", async () => {
      const news = new Promise((resolve) => service.on("metricsAppended", resolve));
      appendFileSync(join(active, "metrics.jsonl"), formatMetricLine(metricLine(1)));
      await news;
    });
    print("memory of the service", memory(child));
  } finally {
    child.kill();
  }
}

const workspace = realpathSync(mkdtempSync(join(tmpdir(), "lathe-bench-")));
try {
  const runsFolder = runsFolderOf(workspace);
  mkdirSync(runsFolder, { recursive: true });
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "unknown processor"}`);
  const begun = performance.now();
  makeRuns(runsFolder);
  print(`making ${counts.runs} runs`, `${((performance.now() - begun) / 1000).toFixed(1)} s`);
  await measure(workspace);
} finally {
  rmSync(workspace, { recursive: true, force: true });
}
