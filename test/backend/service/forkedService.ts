/** The built service in a separate process, forked and called as by the extension host. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, beforeAll } from "vitest";
import type { Events, Requests } from "../../../src/protocol/backend";
import { isActive, type RunState } from "../../../src/protocol/run";
import { Connection, type Empty } from "../../../src/protocol/connection";
import { WorkbenchError } from "../../../src/protocol/errors";
import type { RunSummary } from "../../../src/protocol/service/runs";
import { listRuns } from "../../../src/backend/runs/folder/findRuns";
import { killRun } from "../../../src/backend/runs/process/stopRun";
import { getWorkspaceRunsFolder } from "../../../src/backend/runs/folder/runLocation";
import { bundle, bundleLoop, newWorkspace } from "../runs/workbench";

type Opened = Partial<Requests["workspace.open"]["params"]>;

let program: string;
const services = new Set<ForkedService>();
const workspaces = new Set<string>();

/** Call this at the top of a test file. Runs use the loop program, driven by real experiment files. */
export function useForkedService(): void {
  beforeAll(async () => {
    program = await bundle("src/backend/main.ts", "backend");
    process.env.LATHE_RUN_PROCESS = await bundleLoop();
  });
  afterEach(async () => {
    for (const service of services) await service.end();
    services.clear();
  });
  afterAll(async () => {
    delete process.env.LATHE_RUN_PROCESS;
    for (const workspace of workspaces)
      for (const { folder, record } of await listRuns(getWorkspaceRunsFolder(workspace)))
        if (record !== undefined && isActive(record) && record.process?.pid !== process.pid)
          await killRun(folder);
  });
}

/** A workspace with an experiment of the given number of steps, each of the given number of milliseconds. */
export function experimentWorkspace(
  options: { readonly steps?: number; readonly milliseconds?: number; readonly cells?: string } = {},
): { readonly workspace: string; readonly experiment: string } {
  const { steps = 10_000, milliseconds = 20, cells = "" } = options;
  const workspace = newWorkspace();
  workspaces.add(workspace);
  const experiment = join(workspace, "tiny.lathe.md");
  const blocks = [
    "data: {grammar: {length: 4000}, sequence_len: 16}",
    "model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16}",
    `train: {max_steps: ${steps}, per_device_train_batch_size: ${milliseconds}, save_steps: 5}`,
    ...(cells === "" ? [] : [cells]),
  ];
  writeFileSync(
    experiment,
    `# Tiny\n\n${blocks.map((block) => `\`\`\`yaml\n${block}\n\`\`\`\n`).join("\n")}`,
  );
  return { workspace, experiment };
}

export class ForkedService {
  readonly child: ChildProcess;
  readonly connection: Connection<Requests, Events, Empty, Empty>;
  readonly events: { readonly [K in keyof Events]: Events[K][] } = {
    runsChanged: [],
    alertRaised: [],
    metricsAppended: [],
    viewsChanged: [],
    modelServed: [],
    answerGrew: [],
    logged: [],
  };
  private readonly exited: Promise<readonly unknown[]>;
  /** The host's copy of the summaries, updated like in the host. */
  readonly rows = new Map<string, RunSummary>();

  constructor() {
    services.add(this);
    this.child = fork(program, [], {
      serialization: "advanced",
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    this.exited = once(this.child, "exit");
    this.connection = new Connection<Requests, Events, Empty, Empty>(
      {
        post: (message) => void this.child.send(message as object, () => undefined),
        listen: (listener) => this.child.on("message", listener),
      },
      {},
      { onFault: (error) => void this.events.logged.push({ level: "error", message: error.message }) },
    );
    this.child.on("exit", () => this.connection.end(new WorkbenchError("io", "The service has ended.")));
    const keep = <K extends keyof Events>(name: K) =>
      this.connection.on(name, (payload) => void (this.events[name] as Events[K][]).push(payload));
    for (const name of Object.keys(this.events) as (keyof Events)[]) keep(name);
    this.connection.on("runsChanged", ({ changed, removed }) => {
      for (const run of removed) this.rows.delete(run);
      for (const summary of changed) this.rows.set(summary.folder, summary);
    });
  }

  /** A service with the folder open. */
  static async open(folder: string, opened: Opened = {}): Promise<ForkedService> {
    const service = new ForkedService();
    await service.ask("workspace.open", { folders: [folder], experiments: [], trusted: true, ...opened });
    for (const summary of (await service.ask("runs.list", {})).runs)
      service.rows.set(summary.folder, summary);
    return service;
  }

  ask<K extends keyof Requests>(
    name: K,
    params: Requests[K]["params"],
    signal?: AbortSignal,
  ): Promise<Requests[K]["result"]> {
    return this.connection.request(name, params, signal);
  }

  /** Waits until the row, as reported by events alone, satisfies the condition. */
  async row(
    run: string,
    condition: (summary: RunSummary | undefined) => boolean,
    milliseconds = 20_000,
  ): Promise<RunSummary | undefined> {
    const end = performance.now() + milliseconds;
    while (!condition(this.rows.get(run))) {
      if (performance.now() > end) throw new Error(`Waited in vain: ${JSON.stringify(this.rows.get(run))}`);
      await setTimeout(20);
    }
    return this.rows.get(run);
  }

  exit(): Promise<readonly unknown[]> {
    return this.exited;
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.exited;
  }
}

export const inStateOf = (state: RunState) => (summary: RunSummary | undefined) => summary?.state === state;

/** The first run of an experiment that was started in a new window. */
export async function startExperiment(
  options?: Parameters<typeof experimentWorkspace>[0],
): Promise<{ service: ForkedService; workspace: string; experiment: string; run: string }> {
  const { workspace, experiment } = experimentWorkspace(options);
  const service = await ForkedService.open(workspace);
  const { runs } = await service.ask("runs.start", { experiment });
  return { service, workspace, experiment, run: runs[0]!.folder };
}
