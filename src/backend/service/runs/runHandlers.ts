/** Requests about runs. Those that start, end or move a run require a trusted workspace. */
import type { Handlers } from "../../../protocol/connection";
import type { RunRequests, RunSummary } from "../../../protocol/service/runs";
import { resumeRun } from "../../runs/process/startRun";
import { sendRunCommand, requeue, stopRun } from "./controlRuns";
import { computeDifferences } from "./differences";
import { readLogTail } from "./logTail";
import { annotate } from "./notes";
import type { Service } from "../service";
import { startRuns } from "./startRuns";
import { listTrashedRuns, restoreRuns, trashRuns } from "./trash";

type RunHandlers = Handlers<Omit<RunRequests, "runs.results" | "runs.card" | "runs.tasks">>;

/** The device of the run, or the one that the settings change it to, may be one of PyTorch. */
async function adoptPythonOf(service: Service, run: string, settings: readonly string[] = []): Promise<void> {
  const { found } = service.runs.find(run);
  if (found.record === undefined) return;
  const { mayUsePython } = await import("../../engine/devices");
  const changed = settings.flatMap((setting) => /^device=(.*)$/.exec(setting)?.slice(1) ?? []);
  if ([found.record.plan.device, ...changed].some(mayUsePython)) await service.adoptPython(run);
}

export function createRunHandlers(service: Service): RunHandlers {
  const { runs } = service;
  return {
    "runs.list": () => ({ runs: [...runs.summaries()].sort(compareNewestFirst) }),
    "runs.start": async (params) => {
      service.requireTrust("Starting a run");
      return { runs: await service.finish(startRuns(service, params)) };
    },
    "runs.resume": async ({ run, settings }) => {
      service.requireTrust("Resuming a run");
      const { folder } = runs.find(run).summary;
      await adoptPythonOf(service, run, settings);
      if (settings !== undefined && settings.length > 0) {
        const { changeRunPlan } = await import("../../runs/process/changeRunPlan");
        await service.finish(changeRunPlan(folder, { settings }, await service.catalog()));
      }
      await service.finish(resumeRun(folder, { advance: true }));
      return runs.refresh(run);
    },
    "runs.stop": ({ run }, { signal }) => {
      service.requireTrust("Stopping a run");
      return stopRun(runs, run, signal);
    },
    "runs.pause": ({ run }) => {
      service.requireTrust("Pausing a run");
      return sendRunCommand(runs, run, "pause");
    },
    "runs.continue": ({ run }) => {
      service.requireTrust("Continuing a run");
      return sendRunCommand(runs, run, "continue");
    },
    "runs.checkpoint": ({ run }) => {
      service.requireTrust("Requesting a checkpoint");
      return sendRunCommand(runs, run, "checkpoint");
    },
    "runs.requeue": ({ run, to }) => {
      service.requireTrust("Moving a run in the queue");
      return requeue(runs, run, to);
    },
    "runs.annotate": ({ run, notes }) => {
      annotate(runs.find(run).summary.folder, notes);
      return runs.refresh(run);
    },
    "runs.trash": async ({ runs: folders }) => {
      service.requireTrust("Moving runs to the trash");
      const trashed = await trashRuns(runs, folders);
      await runs.rescan();
      return { trashed };
    },
    "runs.trashed": async () => ({ runs: await listTrashedRuns(runs) }),
    "runs.restore": async ({ trashed }) => {
      service.requireTrust("Restoring runs from the trash");
      restoreRuns(runs, trashed);
      await runs.rescan();
      return {};
    },
    "runs.differences": ({ runs: folders }) =>
      computeDifferences(folders.map((run) => runs.find(run).found.record?.plan)),
    "runs.log": ({ run, bytes }) => ({ text: readLogTail(runs.find(run).summary.folder, bytes) }),
  };
}

/** Unreadable runs come last. */
function compareNewestFirst(a: RunSummary, b: RunSummary): number {
  return b.createdAt.localeCompare(a.createdAt) || a.id.localeCompare(b.id);
}
