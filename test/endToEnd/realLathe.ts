/** Lathe as users get it: the built programs, with a separate workspace, cache and queue for each test. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { bundle, programs } from "../../scripts/bundle";
import { readRun } from "../../src/backend/runs/folder/findRuns";
import { readMetrics } from "../../src/backend/runs/metrics/metricsReader";
import { isActive, type RunRecord } from "../../src/protocol/run";
import { newWorkspace } from "../backend/runs/workbench";

// Inside node_modules, so that the programs find ONNX Runtime; separate for each process, since several may run at a
// time.
const dist = resolve("node_modules/.cache/lathe-end-to-end", String(process.pid));
const workspaces: string[] = [];

/** Call this at the top of a test file. */
export function useRealLathe(): void {
  beforeAll(async () => {
    await Promise.all(programs.map((program) => bundle(program, dist)));
  });
  afterAll(async () => {
    for (const folder of workspaces.flatMap(runFolders)) await endOf(folder);
    rmSync(dist, { recursive: true, force: true });
  });
}

/** A test that failed may have left a run behind. */
async function endOf(folder: string): Promise<void> {
  const { record } = await readRun(folder);
  if (record !== undefined && isActive(record) && record.process !== undefined)
    process.kill(record.process.pid, "SIGKILL");
}

export interface Finished {
  readonly status: number | null;
  readonly output: string;
  readonly errors: string;
}

export interface Workspace {
  readonly path: string;
  /** Writes an experiment of the cells and returns its name. */
  write(name: string, cells: string): string;
  lathe(...args: readonly string[]): Promise<Finished>;
  /** The process of a command, to be ended by the test. */
  spawn(...args: readonly string[]): ChildProcess;
  /** The JSON document of a command that must succeed. */
  json<T = Record<string, unknown>>(...args: readonly string[]): Promise<T>;
  /** Starts a run and returns its folder without waiting for its end. */
  begin(file: string, ...args: readonly string[]): Promise<string>;
  /** Runs to the end and returns the folder. */
  run(file: string, ...args: readonly string[]): Promise<string>;
}

/** `variables` are added to the environment variables that separate tests. */
export function realWorkspace(variables: Readonly<Record<string, string>> = {}): Workspace {
  const path = newWorkspace();
  workspaces.push(path);
  const env = {
    ...process.env,
    LATHE_CACHE: join(path, "cache"),
    HF_HUB_CACHE: join(path, "hub"),
    HF_HUB_OFFLINE: "1",
    LATHE_STATE_DIR: join(path, "state"),
    LATHE_THREADS: "1",
    FORCE_COLOR: "",
    NO_COLOR: "1",
    ...variables,
  };
  const spawnLathe = (...args: readonly string[]) =>
    spawn(process.execPath, [join(dist, "lathe.cjs"), ...args], {
      cwd: path,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
  const lathe = (...args: readonly string[]) =>
    new Promise<Finished>((resolve, reject) => {
      const child = spawnLathe(...args);
      let [output, errors] = ["", ""];
      child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
      child.on("error", reject);
      child.on("close", (status) => resolve({ status, output, errors }));
    });
  const json = async <T>(...args: readonly string[]) => {
    const { status, output, errors } = await lathe(...args, "--json");
    if (status !== 0) throw new Error(`lathe ${args.join(" ")} ended with ${status}: ${errors}`);
    return JSON.parse(output) as T;
  };
  const started = async (file: string, ...args: readonly string[]) => {
    const { runs } = await json<{ runs: readonly [{ folder: string }] }>("run", file, ...args);
    return runs[0].folder;
  };
  return {
    path,
    lathe,
    spawn: spawnLathe,
    json,
    write(name, cells) {
      writeFileSync(join(path, name), `# A test\n\n\`\`\`yaml\n${cells.trim()}\n\`\`\`\n`);
      return name;
    },
    begin: (file, ...args) => started(file, ...args, "--detach"),
    run: started,
  };
}

function runFolders(workspace: string): string[] {
  const runs = join(workspace, ".lathe", "runs");
  const folders = existsSync(runs) ? readdirSync(runs).map((name) => join(runs, name)) : [];
  return folders.filter((folder) => existsSync(join(folder, "run.json"))); // One that is being created has none yet.
}

/** Run folders of the workspace, oldest first. */
export const runsOf = ({ path }: Workspace): string[] => runFolders(path).sort();

export function recordOf(folder: string): RunRecord {
  return JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as RunRecord;
}

/** Ends the process of a run like a crash: silently and immediately. */
export function killProcess(folder: string): void {
  process.kill(recordOf(folder).process!.pid, "SIGKILL");
}

export interface MeasuredLine {
  readonly step: number;
  readonly tokens?: number | undefined;
  readonly [metric: string]: number | undefined;
}

/** The metrics of a run, without those that depend on time. */
export async function historyOf(folder: string): Promise<readonly MeasuredLine[]> {
  const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
  if (bad > 0) throw new Error(`${folder} has ${bad} bad lines of metrics.`);
  return lines.flatMap((line) => {
    const entries = Object.entries(line).filter(
      ([name]) => !/^(seconds|train\/tokens_per_second|(system|gpu)\/.*)$/.test(name),
    );
    return entries.some(([name]) => name.includes("/")) ? [Object.fromEntries(entries) as MeasuredLine] : [];
  });
}

/** Every tensor file of a run, by its path in the run folder. */
export function tensorsOf(folder: string): ReadonlyMap<string, Buffer> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name.endsWith(".safetensors")).sort();
  return new Map(files.map((name) => [name, readFileSync(join(folder, name))]));
}

/** Partially written files and folders, which should never remain. */
export function leftoversOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(tmp|replaced)$|(^|[\\/])\.(run\.json|metrics\.jsonl)\./.test(name),
  );
}
