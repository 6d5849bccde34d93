/** Runs an experiment: one process a variant, sweep point and seed, one after the other, followed until its end. */
import { resolve } from "node:path";
import { checkPlans } from "../../backend/runs/planning/checkPlan";
import { loadPlansFromHere } from "../loadPlansFromHere";
import { getWorkspaceRunsFolder } from "../../backend/runs/folder/runLocation";
import { startRun, type StartedRun, type StartOptions } from "../../backend/runs/process/startRun";
import { startAndAttach, type AttachResult } from "../attachRun";
import { defineCommand } from "../command";
import { writePaperReport } from "../paperReport";
import { pluralize } from "../../protocol/quantities";
import { planOptions, type PlanOptions } from "../planOptions";
import { createEndedOutcome, reportEnd, createStartedOutcome } from "../runOutcome";
import { labelRuns, SweepProgress } from "../sweepProgress";
import { toPlainLine } from "../terminal";

interface Options extends PlanOptions {
  readonly out?: string;
  readonly parallel?: boolean;
  readonly detach?: boolean;
  readonly fresh?: boolean;
}

export default defineCommand<[file: string], Options>({
  summary: "run an experiment",
  arguments: [["<file>", "experiment, a .lathe.md or YAML file"]],
  options: [
    ...planOptions,
    ["--out <dir>", "create run folders here instead of in .lathe/runs of the workspace"],
    ["--parallel", "do not wait for other runs on the same device"],
    ["--fresh", "do not reuse finished steps of earlier runs"],
    ["--detach", "start and return; several runs then wait in a queue"],
  ],
  async run({ args: [file], options, terminal, catalog }) {
    const experiment = await loadPlansFromHere(file, options, catalog);
    const { workspace, plans, warnings } = experiment;
    for (const warning of warnings) terminal.log(toPlainLine(warning));
    // Errors are reported before the first run starts, so that nothing is left behind.
    await checkPlans(plans, workspace);
    const start: StartOptions = {
      workspace,
      parallel: options.parallel ?? false,
      ...(options.out === undefined ? {} : { runsFolder: resolve(options.out) }),
    };
    const endedRuns: AttachResult[] = [];
    const startedRuns: { id: string; folder: string }[] = [];
    const labels = labelRuns(plans);
    const sweep = plans.length > 1 ? new SweepProgress(plans.length) : undefined;
    if (sweep !== undefined)
      terminal.log(
        `${pluralize(plans.length, "run")} in ${toPlainLine(start.runsFolder ?? getWorkspaceRunsFolder(workspace))}`,
      );
    for (const [index, plan] of plans.entries()) {
      const shown = { label: labels[index]!, sweep };
      const announce = ({ id, folder }: StartedRun) => {
        startedRuns.push({ id, folder });
        if (sweep === undefined)
          terminal.log(`${terminal.noticeColors.bold(toPlainLine(plan.name))}: ${toPlainLine(folder)}`);
      };
      if (options.detach === true) {
        announce(await startRun(plan, start));
        continue;
      }
      const run = await startAndAttach(() => startRun(plan, start), terminal, shown, announce);
      endedRuns.push(run);
      reportEnd(run, terminal, shown);
      sweep?.finish(run.record);
      if (run.detached || run.record.state === "stopped") break;
    }
    if (options.detach === true) return createStartedOutcome(startedRuns);
    const remaining = plans.length - endedRuns.length;
    if (remaining > 0) terminal.log(`Not started: ${remaining} of ${plans.length} runs.`);
    const outcome = createEndedOutcome(endedRuns, terminal);
    const report = remaining === 0 ? await writePaperReport([experiment], terminal, options.out) : undefined;
    if (report === undefined) return outcome;
    return {
      ...outcome,
      document: { ...(outcome.document as object), report: report.document },
      text: `${outcome.text}\n\n${report.text}`,
    };
  },
});
