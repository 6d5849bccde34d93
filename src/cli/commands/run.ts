/** Runs an experiment: one process a variant, sweep point and seed, one after the other, followed until its end. */
import { dirname, resolve } from "node:path";
import { planAgain } from "../../backend/experiment/planAgain";
import { readScheduler } from "../../backend/engine/torch/readScheduler";
import { advanceBracket } from "../../backend/runs/halving/advance";
import { groupByBracket, openBracket } from "../../backend/runs/halving/bracket";
import { findPaper } from "../../backend/runs/planning/siblings";
import { checkPlans } from "../../backend/runs/planning/checkPlan";
import { verifyPushes } from "../../backend/runs/planning/pushes";
import { loadPlansFromHere } from "../loadPlansFromHere";
import { findRunWorkspace, getWorkspaceRunsFolder } from "../../backend/runs/folder/runLocation";
import type { Plans } from "../../backend/runs/planning/loadPlans";
import { WorkbenchError } from "../../protocol/errors";
import { version } from "../../protocol/version";
import type { SchemaCatalog } from "../../schema/experiment";
import { selectRun } from "../runSelection";
import { startRun, type StartedRun, type StartOptions } from "../../backend/runs/process/startRun";
import { startAndAttach, type AttachResult } from "../attachRun";
import { defineCommand } from "../command";
import { writeExperimentReport } from "../experimentReport";
import { followHalving } from "../halving";
import { findJoiningNode, joinRuns } from "../joinRuns";
import type { RunPlan } from "../../protocol/run";
import { pluralize } from "../../protocol/quantities";
import { parseWholeNumber, planOptions, type PlanOptions, pushOption } from "../planOptions";
import { createEndedOutcome, reportEnd, createStartedOutcome } from "../runOutcome";
import { labelRuns, SweepProgress } from "../sweepProgress";
import { toPlainLine, type Terminal } from "../terminal";

interface Options extends PlanOptions {
  readonly out?: string;
  readonly parallel?: boolean;
  readonly detach?: boolean;
  readonly fresh?: boolean;
  readonly push?: boolean;
  readonly from?: string;
  readonly node?: number;
}

export default defineCommand<[file: string | undefined], Options>({
  summary: "run an experiment, or a run again with changes",
  arguments: [["[file]", "experiment, a .lathe.md or YAML file"]],
  options: [
    ...planOptions,
    [
      "--from <run>",
      "instead of a file: a new run with the settings of this one, changed by --set, --seed and --device",
    ],
    ["--out <dir>", "create run folders here instead of in .lathe/runs of the workspace"],
    [
      "--node <number>",
      "with several machines, the number of this one: 0 executes the run, the others join it",
      parseWholeNumber,
    ],
    ["--parallel", "do not wait for other runs on the same device"],
    ["--fresh", "do not reuse finished steps of earlier runs"],
    pushOption,
    ["--detach", "start and return; several runs then wait in a queue"],
  ],
  async run({ args: [file], options, terminal, catalog }) {
    const requested = await loadRequestedPlans(file, options, catalog);
    const { workspace, plans, warnings, reported } = requested;
    for (const warning of warnings) terminal.log(toPlainLine(warning));
    const node = findJoiningNode(options.node, plans);
    if (node !== undefined) return joinRuns(plans, node, terminal);
    // Errors are reported before the first run starts, so that nothing is left behind.
    if (options.push === true) await verifyPushes(plans);
    await checkPlans(plans, workspace);
    const start: StartOptions = {
      workspace,
      parallel: options.parallel ?? false,
      push: options.push ?? false,
      ...(options.out === undefined ? {} : { runsFolder: resolve(options.out) }),
      ...(requested.runsFolder === undefined ? {} : { runsFolder: requested.runsFolder }),
    };
    const groups = groupByBracket(plans);
    if (options.detach === true)
      return createStartedOutcome(await startAll(groups, start, options, terminal));
    const results: GroupResult[] = [];
    for (const group of groups) {
      const result = await followGroup(group, start, options, terminal);
      results.push(result);
      if (!result.isFinished) break;
    }
    const endedRuns = results.flatMap(({ runs }) => runs);
    const remaining = plans.length - endedRuns.length;
    if (remaining > 0) terminal.log(`Not started: ${remaining} of ${plans.length} runs.`);
    const ended = createEndedOutcome(endedRuns, terminal);
    const searches = results.flatMap(({ search }) => search ?? []);
    const outcome =
      searches.length === 0
        ? ended
        : {
            ...ended,
            document: { ...(ended.document as object), searches: searches.map(({ document }) => document) },
            text: [ended.text, ...searches.map(({ text }) => text)].join("\n\n"),
          };
    const isComplete = remaining === 0 && results.every(({ isFinished }) => isFinished);
    if (!isComplete || reported === undefined || findPaper(plans) === undefined) return outcome;
    const report = await writeExperimentReport([reported], terminal, options.out);
    return {
      ...outcome,
      document: { ...(outcome.document as object), report: report.document },
      text: `${outcome.text}\n\n${report.text}`,
    };
  },
});

interface RequestedPlans extends Omit<Plans, "experiment"> {
  /** Undefined for a run that is run again, which is not what its experiment reports. */
  readonly reported?: Plans;
  readonly runsFolder?: string;
}

async function loadRequestedPlans(
  file: string | undefined,
  options: Options,
  catalog: SchemaCatalog,
): Promise<RequestedPlans> {
  const { from, variant, set = [], seed, device, parallelProcesses, fresh } = options;
  if (from === undefined) {
    if (file === undefined)
      throw new WorkbenchError(
        "invalid-input",
        "Name an experiment to run, such as `lathe run first.lathe.md`, or a run with --from.",
      );
    const plans = await loadPlansFromHere(file, options, catalog);
    return { ...plans, reported: plans };
  }
  if (file !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      "--from takes the settings of a run instead of a file. Leave out one of them.",
    );
  if (variant !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      "--variant: a run has one variant already. Run the experiment for another one.",
    );
  const { folder, record } = await selectRun(from, options);
  const plan = planAgain(
    record.plan,
    { settings: set, seed, device, parallelProcesses, scheduler: readScheduler(), fresh },
    { catalog, codeVersion: version },
  );
  return {
    workspace: findRunWorkspace(folder, record.workspace),
    plans: [plan],
    warnings: [],
    runsFolder: dirname(folder),
  };
}

interface GroupResult {
  readonly runs: readonly AttachResult[];
  readonly isFinished: boolean;
  readonly search?: { readonly text: string; readonly document: object };
}

/** The runs of one search by halving, or those that are in none. */
async function followGroup(
  plans: readonly RunPlan[],
  start: StartOptions,
  options: Options,
  terminal: Terminal,
): Promise<GroupResult> {
  const runsFolder = start.runsFolder ?? getWorkspaceRunsFolder(start.workspace);
  if (plans[0]?.halving === undefined) return followRuns(plans, start, runsFolder, terminal);
  const { runs, isFinished, text, document } = await followHalving(
    plans,
    { ...start, runsFolder, fresh: options.fresh },
    terminal,
  );
  return { runs, isFinished, search: { text, document } };
}

async function followRuns(
  plans: readonly RunPlan[],
  start: StartOptions,
  runsFolder: string,
  terminal: Terminal,
): Promise<GroupResult> {
  const runs: AttachResult[] = [];
  const labels = labelRuns(plans);
  const sweep = plans.length > 1 ? new SweepProgress(plans.length) : undefined;
  if (sweep !== undefined) terminal.log(`${pluralize(plans.length, "run")} in ${toPlainLine(runsFolder)}`);
  for (const [index, plan] of plans.entries()) {
    const shown = { label: labels[index]!, sweep };
    const announce = ({ folder }: StartedRun) => {
      if (sweep === undefined)
        terminal.log(`${terminal.noticeColors.bold(toPlainLine(plan.name))}: ${toPlainLine(folder)}`);
    };
    const run = await startAndAttach(() => startRun(plan, start), terminal, shown, announce);
    runs.push(run);
    reportEnd(run, terminal, shown);
    sweep?.finish(run.record);
    if (run.detached || run.record.state === "stopped") return { runs, isFinished: false };
  }
  return { runs, isFinished: true };
}

async function startAll(
  groups: readonly (readonly RunPlan[])[],
  start: StartOptions,
  { fresh }: Options,
  terminal: Terminal,
): Promise<readonly { id: string; folder: string }[]> {
  const runsFolder = start.runsFolder ?? getWorkspaceRunsFolder(start.workspace);
  const plans = groups.flat();
  if (plans.length > 1) terminal.log(`${pluralize(plans.length, "run")} in ${toPlainLine(runsFolder)}`);
  const started: StartedRun[] = [];
  for (const group of groups) {
    if (group[0]?.halving === undefined) for (const plan of group) started.push(await startRun(plan, start));
    else started.push(...(await advanceBracket(await openBracket(group, runsFolder, { fresh }), start)));
  }
  const [first] = started;
  if (plans.length === 1 && first !== undefined)
    terminal.log(`${terminal.noticeColors.bold(toPlainLine(plans[0]!.name))}: ${toPlainLine(first.folder)}`);
  return started.map(({ id, folder }) => ({ id, folder }));
}
