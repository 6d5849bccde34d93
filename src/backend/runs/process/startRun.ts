/** Starts run processes: detached, without a shell, with their output in the run's own log. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { WorkbenchError, type ErrorCode } from "../../../protocol/errors";
import type { RunPlan } from "../../../protocol/run";
import { refuseIfDone, refuseIfTaken } from "./claimRun";
import { writeArguments, type LaunchMessage } from "./launch";
import { appendFlags } from "../metrics/metricsWriter";
import { getOwnIdentity } from "./processIdentity";
import { makeLatheFolder } from "../folder/latheFolder";
import { readRecord, RunFolder } from "../folder/runFolder";
import { getWorkspaceRunsFolder } from "../folder/runLocation";

export interface LaunchOptions {
  /** Don't wait for other runs on the same device. */
  readonly parallel?: boolean;
  /** Start the next runs of its search at the end of the run, if nobody follows it who does. */
  readonly advance?: boolean;
  /** Publish what `export.push_to` names. A file cannot request this: the user does, at each start. */
  readonly push?: boolean;
  /**
   * The bundled run process; by default runProcess.cjs next to the running script. LATHE_RUN_PROCESS overrides it.
   */
  readonly script?: string;
  /** A Node executable other than the present one. */
  readonly executable?: string;
}

export interface StartOptions extends LaunchOptions {
  /** The base of the plan's paths. */
  readonly workspace: string;
  /** Where run folders are created; by default `.lathe/runs` of the workspace. */
  readonly runsFolder?: string;
}

export interface StartedRun {
  readonly id: string;
  readonly folder: string;
  readonly pid: number;
}

const readyMilliseconds = 60_000;

function makeDefaultFolder(workspace: string): string {
  const runs = getWorkspaceRunsFolder(workspace);
  makeLatheFolder(workspace);
  mkdirSync(runs, { recursive: true });
  return runs;
}

export async function startRun(plan: RunPlan, options: StartOptions): Promise<StartedRun> {
  const workspace = realpathSync(options.workspace);
  const folder = RunFolder.create(options.runsFolder ?? makeDefaultFolder(workspace), plan, {
    workspace,
    process: { ...(await getOwnIdentity()), socket: "" },
  });
  try {
    return await launch(folder.path, false, options);
  } catch (thrown) {
    const failure = thrown as WorkbenchError;
    // A process that recorded its own end gives the better reason.
    if (readRecord(folder.path).process?.socket === "") {
      const { code, message } = failure;
      folder.update({ state: "failed", process: undefined, failure: { code, message } });
    }
    throw thrown;
  }
}

export async function resumeRun(folder: string, options: LaunchOptions = {}): Promise<StartedRun> {
  const record = readRecord(folder);
  refuseIfDone(record);
  await refuseIfTaken(record);
  return launch(realpathSync(folder), true, options);
}

function resolveScriptPath(options: LaunchOptions): string {
  const script = resolve(
    options.script ?? process.env.LATHE_RUN_PROCESS ?? join(__dirname, "runProcess.cjs"),
  );
  if (existsSync(script)) return script;
  throw new WorkbenchError(
    "internal",
    `The run process ${script} is missing. Build it with \`npm run build\`.`,
  );
}

async function launch(folder: string, resume: boolean, options: LaunchOptions): Promise<StartedRun> {
  const log = openSync(join(folder, "log.txt"), appendFlags, 0o666);
  let child: ChildProcess;
  try {
    const { parallel = false, advance = false, push = false } = options;
    const launchOptions = { folder, resume, parallel, advance, push, launcher: process.pid };
    child = spawn(
      options.executable ?? process.execPath,
      [resolveScriptPath(options), ...writeArguments(launchOptions)],
      {
        cwd: folder,
        detached: true, // Its own process group: closing the terminal or the window does not end it.
        stdio: ["ignore", log, log, "ipc"],
        windowsHide: true,
        env: {
          ...process.env,
          ORT_DISABLE_TELEMETRY: "1",
          ...(process.versions.electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: "1" }),
        },
      },
    );
  } finally {
    closeSync(log);
  }
  const message = await receiveFirstMessage(child, folder);
  if (!message.ready) throw new WorkbenchError(message.code as ErrorCode, message.message);
  if (child.connected) child.disconnect();
  child.unref();
  const { id } = readRecord(folder);
  return { id, folder, pid: child.pid ?? 0 };
}

/** The first message of the process, or the reason why none came. */
async function receiveFirstMessage(child: ChildProcess, folder: string): Promise<LaunchMessage> {
  let end: (message: LaunchMessage) => void = () => undefined;
  const first = new Promise<LaunchMessage>((resolve) => (end = resolve));
  const fail = (why: string) => end({ ready: false, code: "internal", message: `The run process ${why}.` });
  const timer = setTimeout(
    () => fail(`did not respond for ${readyMilliseconds / 1000} s`),
    readyMilliseconds,
  );
  child.once("message", (message) => end(message as LaunchMessage));
  child.once("error", (cause) => fail(`could not be started: ${cause.message}`));
  child.once("exit", (status, signal) =>
    fail(`ended immediately with ${signal ?? `status ${status ?? "unknown"}`}`),
  );
  const message = await first;
  clearTimeout(timer);
  if (message.ready || message.code !== "internal") return message;
  child.kill("SIGKILL");
  const log = join(folder, "log.txt");
  const last = readFileSync(log, "utf8").trim().split("\n").slice(-15).join("\n");
  return { ...message, message: `${message.message} The end of ${log}:\n${last}` };
}
