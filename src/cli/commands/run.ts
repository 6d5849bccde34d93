/** Runs an experiment: one process a variant, sweep point and seed, one after the other, followed until its end. */
import { resolve } from "node:path";
import { checkPlans } from "../../backend/runs/planning/checkPlan";
import { plansHere } from "../plansHere";
import { startRun, type StartedRun, type StartOptions } from "../../backend/runs/process/startRun";
import { startAndAttach, type Attached } from "../attachRun";
import { defineCommand } from "../command";
import { paperReport } from "../paperReport";
import { planOptions, type PlanOptions } from "../planOptions";
import { endedOutcome, sayEnd, startedOutcome } from "../runOutcome";
import { plainLine } from "../terminal";

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
    const planned = await plansHere(file, options, catalog);
    const { workspace, plans, warnings } = planned;
    for (const warning of warnings) terminal.say(plainLine(warning));
    // Errors are reported before the first run starts, so that nothing is left behind.
    await checkPlans(plans, workspace);
    const start: StartOptions = {
      workspace,
      parallel: options.parallel ?? false,
      ...(options.out === undefined ? {} : { runsFolder: resolve(options.out) }),
    };
    const ended: Attached[] = [];
    const started: { id: string; folder: string }[] = [];
    for (const [index, plan] of plans.entries()) {
      const announce = ({ id, folder }: StartedRun) => {
        started.push({ id, folder });
        const which = plans.length > 1 ? ` (${index + 1} of ${plans.length})` : "";
        terminal.say(`${terminal.noticeColors.bold(plainLine(plan.name))}${which}: ${plainLine(folder)}`);
      };
      if (options.detach === true) {
        announce(await startRun(plan, start));
        continue;
      }
      const run = await startAndAttach(() => startRun(plan, start), terminal, announce);
      ended.push(run);
      sayEnd(run, terminal);
      if (run.detached || run.record.state === "stopped") break;
    }
    if (options.detach === true) return startedOutcome(started);
    const left = plans.length - ended.length;
    if (left > 0) terminal.say(`Not started: ${left} of ${plans.length} runs.`);
    const outcome = endedOutcome(ended, terminal);
    const report = left === 0 ? await paperReport([planned], terminal, options.out) : undefined;
    if (report === undefined) return outcome;
    return {
      ...outcome,
      document: { ...(outcome.document as object), report: report.document },
      text: `${outcome.text}\n\n${report.text}`,
    };
  },
});
