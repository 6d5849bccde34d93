/** Measures the backend service with many runs and a long history: forks the built service as the extension does. */
import { type ChildProcess, fork } from "node:child_process";
import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout } from "node:timers/promises";
import { writeAtomic } from "../../src/backend/runs/folder/atomicFile";
import { formatMetricLine } from "../../src/backend/runs/metrics/metricLine";
import { getOwnIdentity } from "../../src/backend/runs/process/processIdentity";
import { makeRunId, getWorkspaceRunsFolder } from "../../src/backend/runs/folder/runLocation";
import type { Events, Requests } from "../../src/protocol/backend";
import { Connection, type Empty } from "../../src/protocol/connection";
import { WorkbenchError } from "../../src/protocol/errors";
import type { RunRecord } from "../../src/protocol/run";
import type { SeriesName, SeriesQuery } from "../../src/protocol/service/metrics";
import { printFigure, printLoad, printMemory, getProcessorTime, measureTime } from "./figures";
import { type Counts, createMetricLine } from "./createRuns";

type ServiceConnection = Connection<Requests, Events, Empty, Empty>;

export async function printServiceFigures(workspace: string, counts: Counts): Promise<void> {
  console.log("\nThe backend service");
  printLoad();
  const long = await withService(workspace, (service, started) => measureLists(service, started, counts));
  await withService(workspace, async (service, started) => {
    await requestCurve(service, long);
    printFigure(`fork, open, curve of ${counts.lines} lines`, started());
  });
  await withService(workspace, (service, _, child) =>
    measureCurvesAndUpdates(service, child, { workspace, long, counts }),
  );
}

/** `formatElapsed` returns the time since the fork. */
async function withService<T>(
  workspace: string,
  work: (service: ServiceConnection, formatElapsed: () => string, child: ChildProcess) => Promise<T>,
): Promise<T> {
  const startTime = performance.now();
  const child = fork(fileURLToPath(new URL("../../dist/backend.cjs", import.meta.url)), {
    serialization: "advanced",
    // Not what this script is run with, which reads every program through a compiler.
    execArgv: [],
    env: { ...process.env, ORT_DISABLE_TELEMETRY: "1", LATHE_STATE_DIR: join(workspace, "state") },
  });
  const service = connect(child);
  const formatElapsed = () => {
    const wall = (performance.now() - startTime).toFixed(0);
    return `${wall} ms, ${getProcessorTime([child.pid!])} ms of processor`;
  };
  try {
    await service.request("workspace.open", { folders: [workspace], experiments: [], trusted: true });
    return await work(service, formatElapsed, child);
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

async function measureLists(
  service: ServiceConnection,
  formatElapsed: () => string,
  counts: Counts,
): Promise<string> {
  const requestList = async () => (await service.request("runs.list", {})).runs;
  let runs = await requestList();
  printFigure(`fork, open, list of the newest ${runs.length} runs`, formatElapsed());
  for (; runs.length < counts.runs; runs = await requestList()) await setTimeout(20);
  printFigure(`list of all ${runs.length} runs, from the fork on`, formatElapsed());
  return runs[0]!.folder;
}

const lossOf = (run: string): SeriesName => ({ run, metric: "train/loss", axis: "step" });

async function requestCurve(service: ServiceConnection, run: string, options: Partial<SeriesQuery> = {}) {
  const query: SeriesQuery = { ...lossOf(run), points: 2000, ...options };
  return (await service.request("metrics.series", { queries: [query] })).series[0]!;
}

interface MeasuredWorkspace {
  readonly workspace: string;
  readonly long: string;
  readonly counts: Counts;
}

async function measureCurvesAndUpdates(
  service: ServiceConnection,
  child: ChildProcess,
  { workspace, long, counts: { runs: runCount, lines } }: MeasuredWorkspace,
): Promise<void> {
  const measure = <T>(label: string, work: () => Promise<T>) => measureTime(label, work, () => [child.pid!]);
  const list = async () => (await service.request("runs.list", {})).runs;
  let runs = await list();
  for (; runs.length < runCount; runs = await list()) await setTimeout(20);
  await measure("the list again", list);
  printMemory("memory of the service", child.pid!);
  const { total, x } = await measure(`curve of ${lines} lines, first time`, () =>
    requestCurve(service, long),
  );
  printFigure("points of it, and points that are drawn", `${total}, ${x.length}`);
  await measure("the same curve again", () => requestCurve(service, long));
  await measure("a tenth of it", () => requestCurve(service, long, { from: lines * 0.4, to: lines * 0.5 }));
  await measure("on a logarithmic axis of time", () =>
    requestCurve(service, long, { axis: "seconds", logarithmic: true }),
  );
  const others = runs.filter(({ folder }) => folder !== long).slice(0, 30);
  await measure(`curves of ${others.length} other runs`, () =>
    Promise.all(others.map(({ folder }) => requestCurve(service, folder))),
  );
  printMemory("memory of the service", child.pid!);
  await measureUpdates(service, measure, { runsFolder: getWorkspaceRunsFolder(workspace), long });
}

async function measureUpdates(
  service: ServiceConnection,
  measure: (what: string, work: () => Promise<void>) => Promise<void>,
  { runsFolder, long }: { readonly runsFolder: string; readonly long: string },
): Promise<void> {
  await service.request("metrics.watch", { watcher: "bench", series: [lossOf(long)] });
  const waitForChange = (runFolder: string) =>
    new Promise<void>((resolve) => {
      const update = service.on("runsChanged", (changes) => {
        if (!changes.changed.some(({ folder }) => folder === runFolder)) return;
        update.dispose();
        resolve();
      });
    });
  await measure("news of a run that is annotated", async () => {
    const update = waitForChange(long);
    await service.request("runs.annotate", { run: long, notes: { star: true } });
    await update;
  });
  const active = join(runsFolder, makeRunId("active", new Date()));
  const record = JSON.parse(readFileSync(join(long, "run.json"), "utf8")) as RunRecord;
  const activeRecord: RunRecord = {
    ...record,
    id: basename(active),
    state: "running",
    process: { ...(await getOwnIdentity()), socket: "" },
  };
  await measure("news of a run folder that appears", async () => {
    const update = waitForChange(active);
    mkdirSync(active);
    writeAtomic(join(active, "run.json"), JSON.stringify(activeRecord));
    await update;
  });
  await measure("news of progress in the record of a run that is going", async () => {
    const update = waitForChange(active);
    const progress = { step: 7, steps: 100, action: "train" };
    writeAtomic(join(active, "run.json"), JSON.stringify({ ...activeRecord, progress }));
    await update;
  });
  await service.request("metrics.watch", { watcher: "bench", series: [lossOf(active)] });
  await measure("news of a metric line of a run that is going", async () => {
    const update = new Promise<void>((resolve) => service.on("metricsAppended", () => resolve()));
    appendFileSync(join(active, "metrics.jsonl"), formatMetricLine(createMetricLine(1)));
    await update;
  });
  // What is measured afterwards has the runs that were made for it, and no other.
  rmSync(active, { recursive: true });
}
