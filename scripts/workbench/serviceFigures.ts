/** Measures the backend service with many runs and a long history: forks the built service as the extension does. */
import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout } from "node:timers/promises";
import { writeAtomic } from "../../src/backend/runs/folder/atomicFile";
import { formatMetricLine } from "../../src/backend/runs/metrics/metricLine";
import { ownIdentity } from "../../src/backend/runs/process/processIdentity";
import { makeRunId, runsFolderOf } from "../../src/backend/runs/folder/runLocation";
import type { Events, Requests } from "../../src/protocol/backend";
import { Connection, type Nothing } from "../../src/protocol/connection";
import { WorkbenchError } from "../../src/protocol/errors";
import type { RunRecord } from "../../src/protocol/run";
import type { SeriesQuery } from "../../src/protocol/service/metrics";
import { print, printLoad, printMemory, processor, timed } from "./figures";
import { type Counts, metricLine } from "./manyRuns";

type ServiceConnection = Connection<Requests, Events, Nothing, Nothing>;

export async function printServiceFigures(workspace: string, counts: Counts): Promise<void> {
  console.log("\nThe backend service");
  printLoad();
  const long = await withService(workspace, (service, started) => lists(service, started, counts));
  await withService(workspace, async (service, started) => {
    await curve(service, long);
    print(`fork, open, curve of ${counts.lines} lines`, started());
  });
  await withService(workspace, (service, _, child) =>
    curvesAndNews(service, child, { workspace, long, counts }),
  );
}

/** `started` returns the time since the fork. */
async function withService<T>(
  workspace: string,
  work: (service: ServiceConnection, started: () => string, child: ChildProcess) => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  const child = fork(fileURLToPath(new URL("../../dist/backend.cjs", import.meta.url)), {
    serialization: "advanced",
    // Not what this script is run with, which reads every program through a compiler.
    execArgv: [],
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1", LATHE_STATE_DIR: join(workspace, "state") },
  });
  const service = connect(child);
  const started = () => {
    const wall = (performance.now() - begun).toFixed(0);
    return `${wall} ms, ${processor([child.pid!])} ms of processor`;
  };
  try {
    await service.request("workspace.open", { folders: [workspace], experiments: [], trusted: true });
    return await work(service, started, child);
  } finally {
    child.kill();
  }
}

function connect(child: ChildProcess): ServiceConnection {
  const channel = {
    post: (message: unknown) => void child.send(message as object),
    listen: (listener: (message: unknown) => void) => void child.on("message", listener),
  };
  const onFault = (error: WorkbenchError) => console.error(error.message);
  const connection: ServiceConnection = new Connection(channel, {}, { onFault });
  child.on("exit", (code) => connection.end(new WorkbenchError("io", `The service ended with ${code}.`)));
  connection.on("logged", ({ level, message }) => {
    if (level !== "info") console.error(message);
  });
  return connection;
}

async function lists(service: ServiceConnection, started: () => string, counts: Counts): Promise<string> {
  const list = async () => (await service.request("runs.list", {})).runs;
  let runs = await list();
  print(`fork, open, list of the newest ${runs.length} runs`, started());
  for (; runs.length < counts.runs; runs = await list()) await setTimeout(20);
  print(`list of all ${runs.length} runs, from the fork on`, started());
  return runs[0]!.folder;
}

async function curve(service: ServiceConnection, run: string, more: Partial<SeriesQuery> = {}) {
  const query: SeriesQuery = { run, metric: "train/loss", axis: "step", points: 2000, ...more };
  return (await service.request("metrics.series", { queries: [query] })).series[0]!;
}

interface Measured {
  readonly workspace: string;
  readonly long: string;
  readonly counts: Counts;
}

async function curvesAndNews(
  service: ServiceConnection,
  child: ChildProcess,
  { workspace, long, counts: { runs: known, lines } }: Measured,
): Promise<void> {
  const clock = <T>(what: string, work: () => Promise<T>) => timed(what, work, () => [child.pid!]);
  const list = async () => (await service.request("runs.list", {})).runs;
  let runs = await list();
  for (; runs.length < known; runs = await list()) await setTimeout(20);
  await clock("the list again", list);
  printMemory("memory of the service", child.pid!);
  const { total, x } = await clock(`curve of ${lines} lines, first time`, () => curve(service, long));
  print("points of it, and points that are drawn", `${total}, ${x.length}`);
  await clock("the same curve again", () => curve(service, long));
  await clock("a tenth of it", () => curve(service, long, { from: lines * 0.4, to: lines * 0.5 }));
  await clock("on a logarithmic axis of time", () =>
    curve(service, long, { axis: "seconds", logarithmic: true }),
  );
  const others = runs.filter(({ folder }) => folder !== long).slice(0, 30);
  await clock(`curves of ${others.length} other runs`, () =>
    Promise.all(others.map(({ folder }) => curve(service, folder))),
  );
  printMemory("memory of the service", child.pid!);
  await news(service, clock, { runsFolder: runsFolderOf(workspace), long });
}

async function news(
  service: ServiceConnection,
  clock: (what: string, work: () => Promise<void>) => Promise<void>,
  { runsFolder, long }: { readonly runsFolder: string; readonly long: string },
): Promise<void> {
  await service.request("metrics.watch", { watcher: "bench", runs: [long] });
  const changed = (wanted: string) =>
    new Promise<void>((resolve) => {
      const heard = service.on("runsChanged", (changes) => {
        if (!changes.changed.some(({ folder }) => folder === wanted)) return;
        heard.dispose();
        resolve();
      });
    });
  await clock("news of a run that is annotated", async () => {
    const heard = changed(long);
    await service.request("runs.annotate", { run: long, notes: { star: true } });
    await heard;
  });
  const active = join(runsFolder, makeRunId("active", new Date()));
  const record = JSON.parse(readFileSync(join(long, "run.json"), "utf8")) as RunRecord;
  const going: RunRecord = {
    ...record,
    id: basename(active),
    state: "running",
    process: { ...(await ownIdentity()), socket: "" },
  };
  await clock("news of a run folder that appears", async () => {
    const heard = changed(active);
    mkdirSync(active);
    writeAtomic(join(active, "run.json"), JSON.stringify(going));
    await heard;
  });
  await clock("news of progress in the record of a run that is going", async () => {
    const heard = changed(active);
    const progress = { step: 7, steps: 100, action: "train" };
    writeAtomic(join(active, "run.json"), JSON.stringify({ ...going, progress }));
    await heard;
  });
  await service.request("metrics.watch", { watcher: "bench", runs: [active] });
  await clock("news of a metric line of a run that is going", async () => {
    const heard = new Promise<void>((resolve) => service.on("metricsAppended", () => resolve()));
    appendFileSync(join(active, "metrics.jsonl"), formatMetricLine(metricLine(1)));
    await heard;
  });
  // What is measured afterwards has the runs that were made for it, and no other.
  rmSync(active, { recursive: true });
}
