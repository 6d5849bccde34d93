/**
 * The life of a run inside its own process: claim the folder, wait for the device, run the body, report how it ended.
 */
import { rmSync } from "node:fs";
import { relative, resolve } from "node:path";
import { getExitStatus, toWorkbenchError, WorkbenchError } from "../../../protocol/errors";
import type { ControlAnswer, ControlRequest, RunState } from "../../../protocol/run";
import { writeResolvedYaml } from "../../experiment/resolvedYaml";
import { claimRun, type Claim } from "../process/claimRun";
import { tokenFile } from "../control/controlProtocol";
import { DeviceQueue } from "../process/deviceQueue";
import { EnergyMeter } from "../process/energy";
import { readGitState } from "../process/gitState";
import { LiveContext } from "./liveContext";
import { getOwnIdentity } from "../process/processIdentity";
import { RunClock } from "../metrics/runClock";
import type { RunProgram } from "../steps/runContext";
import { RunControl } from "../control/runControl";
import type { RunFolder, RecordPatch } from "../folder/runFolder";
import { SystemMetrics } from "../metrics/systemMetrics";

export interface ExecuteOptions {
  readonly folder: string;
  readonly resume: boolean;
  /** Don't wait for other runs on the same device. */
  readonly parallel: boolean;
  /** Publish what `export.push_to` names. */
  readonly push: boolean;
  readonly launcher: number | undefined;
  /**
   * Called once, when the run has claimed its folder, can be reached and is in the queue of its device: runs started
   * one after the other get the device in that order.
   */
  ready(): void;
}

/** Returns the exit status of the process. Throws if the folder could not be claimed. */
export async function executeRun(program: RunProgram, options: ExecuteOptions): Promise<number> {
  const ownership: { claim?: Claim } = {};
  const clock = new RunClock();
  const show = (patch: RecordPatch) => ownership.claim?.folder.update({ ...patch, seconds: clock.seconds });
  const control = new RunControl(
    {
      paused: () => {
        clock.pause();
        show({ state: "paused" });
      },
      continued: () => {
        clock.start();
        show({ state: "running" });
      },
    },
    async () => ownership.claim?.server.settle(),
  );
  const state = (): RunState => ownership.claim?.folder.record.state ?? "queued";
  const { folder, server } = (ownership.claim = await claimRun(options, (request) =>
    answer(control, state, request),
  ));
  clock.rewind(folder.record.seconds ?? 0);
  control.step = folder.record.progress?.step ?? 0;

  const crash = watchProcess(control);
  let isReady = false;
  const ready = () => {
    if (!isReady) options.ready();
    isReady = true;
  };
  const parts: Parts = { folder, control, clock, ready };
  let ending: Ending;
  try {
    await Promise.race([perform(program, options, parts), crash]);
    ending = { state: control.obeyedHold ? "held" : control.obeyedStop ? "stopped" : "done" };
  } catch (thrown) {
    ending = toEnding(thrown, control);
  }
  // The record reports failures on the way to the queue.
  ready();
  clock.pause();
  settle(folder, ending, clock);
  // Releasing is optional: the entry expires with this process, which is about to end.
  await parts.queue?.release(folder.id).catch(() => undefined);
  await server[Symbol.asyncDispose]();
  return ending.error === undefined ? (ending.state === "stopped" ? 3 : 0) : getExitStatus(ending.error);
}

function answer(control: RunControl, state: () => RunState, { command }: ControlRequest): ControlAnswer {
  if (command === "checkpoint") control.save();
  else if (command !== "status") control[command]();
  return { ok: true, state: state(), step: control.step };
}

/** Rejects on uncaught errors. A termination signal requests a stop with a checkpoint. */
function watchProcess(control: RunControl): Promise<never> {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => control.stop());
  return new Promise((_, reject) => {
    process.on("uncaughtException", reject);
    process.on("unhandledRejection", reject);
  });
}

interface Parts {
  readonly folder: RunFolder;
  readonly control: RunControl;
  readonly clock: RunClock;
  readonly ready: () => void;
  /** The queue of the run's device, once acquired. */
  queue?: DeviceQueue;
}

async function perform(program: RunProgram, options: ExecuteOptions, parts: Parts): Promise<void> {
  const { folder, control, clock } = parts;
  const { plan } = folder.record;
  folder.reserve();
  using context = new LiveContext(folder, control, options.resume, clock, options.push);
  folder.log(
    options.resume ? "Resumed." : `Started: ${plan.name}, variant ${plan.variant}, seed ${plan.seed}.`,
  );
  folder.write(
    "config.resolved.yaml",
    writeResolvedYaml(plan, { folder: resolveInputs(folder, context.workspace) }),
  );
  const git = options.resume ? undefined : await readGitState(context.workspace);
  if (git !== undefined && git.patch !== "") folder.write("diff.patch", git.patch);
  folder.update({
    git: git?.git ?? folder.record.git,
    versions: { node: process.version, ...program.versions },
  });

  const device = await (program.resolveDevice?.(plan.device) ?? plan.device);
  const queue = new DeviceQueue(device);
  const entry = { id: folder.id, folder: folder.path, process: await getOwnIdentity() };
  if (options.parallel) {
    // A run that does not wait still enters the queue, so that others see it.
    await queue.share(entry).catch((thrown: unknown) => context.notice(toWorkbenchError(thrown).message));
    parts.ready();
  } else {
    const onPosition = (queuePosition: number) => folder.update({ queuePosition });
    await queue.acquire(entry, { signal: control.signal, onJoined: parts.ready, onPosition });
  }
  parts.queue = queue;
  const startedAt = folder.record.startedAt ?? new Date().toISOString();
  folder.update({ state: "running", startedAt, queuePosition: undefined });
  clock.start();
  using _system = new SystemMetrics((reading) => context.metric({ step: control.step, ...reading }));
  using meter = new EnergyMeter(folder.record.energy);
  try {
    await program.body(context);
  } finally {
    folder.remember({ energy: meter.energy });
  }
}

/** The inputs folder of the plan as `config.resolved.yaml` names it, with forward slashes on every platform. */
function resolveInputs(folder: RunFolder, workspace: string): string {
  return relative(folder.path, resolve(workspace, folder.record.plan.folder)).replaceAll("\\", "/");
}

interface Ending {
  readonly state: "done" | "held" | "stopped" | "failed" | "interrupted";
  readonly error?: WorkbenchError;
}

function toEnding(thrown: unknown, control: RunControl): Ending {
  const cancelled =
    (thrown instanceof WorkbenchError && thrown.code === "cancelled") ||
    (thrown as Error).name === "AbortError";
  if (cancelled && control.signal.aborted) return { state: "stopped" };
  const error = toWorkbenchError(thrown);
  // Another process was killed: the run itself has nothing to correct, and continues from its last checkpoint.
  return { state: error.code === "process-died" ? "interrupted" : "failed", error };
}

function settle(folder: RunFolder, { state, error }: Ending, clock: RunClock): void {
  folder.releaseReserve();
  rmSync(folder.inside(tokenFile), { force: true });
  try {
    if (error !== undefined) {
      const origin = error.cause instanceof Error ? error.cause : error;
      folder.log(
        `${state === "failed" ? "Failed" : "Interrupted"} (${error.code}): ${error.message}${error.code === "internal" ? `\n${origin.stack ?? ""}` : ""}`,
      );
    } else
      folder.log({ done: "Done.", held: "Held at its rung.", stopped: "Stopped." }[state as string] ?? "");
  } finally {
    folder.update({
      state,
      endedAt: new Date().toISOString(),
      seconds: clock.seconds,
      process: undefined,
      queuePosition: undefined,
      failure: error === undefined ? undefined : { code: error.code, message: error.message },
    });
  }
}
