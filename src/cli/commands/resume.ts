/** Continues a run from its last checkpoint: one that ended early, or a finished one whose plan is made longer. */
import { readScheduler } from "../../backend/engine/torch/readScheduler";
import { verifyPushes } from "../../backend/runs/planning/pushes";
import { changeRunPlan } from "../../backend/runs/process/changeRunPlan";
import { resumeRun } from "../../backend/runs/process/startRun";
import { startAndAttach } from "../attachRun";
import { defineCommand } from "../command";
import { deviceOption } from "../evaluationLab";
import { collect, parallelOption, pushOption } from "../planOptions";
import { createEndedOutcome, reportEnd, createStartedOutcome } from "../runOutcome";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

interface Options extends RunsOption {
  readonly set?: readonly string[];
  readonly device?: string;
  readonly parallelProcesses?: number;
  readonly parallel?: boolean;
  readonly push?: boolean;
  readonly detach?: boolean;
}

export default defineCommand<[run: string], Options>({
  summary: "resume a run from its last checkpoint, also for more steps than planned",
  arguments: [runArgument],
  options: [
    runsOption,
    [
      "--set <key=value>",
      "change when the run ends, such as train.max_steps=200, also of a finished run; the schedule of the learning rate then spans the new number of steps. Also num_train_epochs, logging_steps, eval_steps, save_steps and save_total_limit of train; may be repeated",
      collect,
    ],
    [deviceOption[0], `continue on another device: ${deviceOption[1]}`],
    parallelOption,
    ["--parallel", "do not wait for other runs on the same device"],
    pushOption,
    ["--detach", "start it and return"],
  ],
  async run({ args: [text], options, terminal, catalog }) {
    const selected = await selectRun(text, options);
    const { set: settings = [], device, parallelProcesses } = options;
    if (settings.length > 0 || device !== undefined || parallelProcesses !== undefined)
      await changeRunPlan(
        selected.folder,
        { settings, device, parallelProcesses, scheduler: readScheduler() },
        catalog,
      );
    const { parallel = false, push = false } = options;
    if (push) await verifyPushes([selected.record.plan]);
    const start = () => resumeRun(selected.folder, { parallel, push });
    if (options.detach === true) {
      const { id, folder } = await start();
      return createStartedOutcome([{ id, folder }]);
    }
    const run = await startAndAttach(start, terminal);
    reportEnd(run, terminal);
    return createEndedOutcome([run], terminal);
  },
});
