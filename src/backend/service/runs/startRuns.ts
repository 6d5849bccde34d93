/** Starts the runs of an experiment from the editor, with the same plans and checks as the command line. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { RunPlan } from "../../../protocol/run";
import type { RunSummary, StartRuns } from "../../../protocol/service/runs";
import { getWorkspaceRunsFolder } from "../../runs/folder/runLocation";
import { advanceBracket } from "../../runs/halving/advance";
import { groupByBracket, openBracket } from "../../runs/halving/bracket";
import { startRun, type StartedRun, type StartOptions } from "../../runs/process/startRun";
import type { Service } from "../service";

export async function startRuns(
  service: Service,
  { experiment, settings, parallel, beside, ...choice }: StartRuns,
): Promise<readonly RunSummary[]> {
  // The nearest such folder gets the runs, from whichever program they are started.
  if (beside === true) mkdirSync(join(dirname(experiment), ".lathe"), { recursive: true });
  // The checks load the models, the tokenizers and every method.
  const [{ loadPlans }, { checkPlans }, { locateFault }, { mayUsePython }] = await Promise.all([
    import("../../runs/planning/loadPlans"),
    import("../../runs/planning/checkPlan"),
    import("./locateFault"),
    import("../../engine/devices"),
  ]);
  const {
    workspace,
    plans,
    experiment: parsed,
  } = await loadPlans(
    experiment,
    { ...choice, set: settings, opened: service.folders },
    await service.catalog(),
  );
  refuseIdle(plans);
  if (plans.some(({ device }) => mayUsePython(device))) await service.adoptPython(experiment);
  await checkPlans(plans, workspace).catch((thrown: unknown) => {
    throw locateFault(thrown, parsed);
  });
  const started: StartedRun[] = [];
  try {
    // In order, so that the runs queue for their device in the order of the file.
    for (const group of groupByBracket(plans))
      started.push(...(await startGroup(group, { workspace, parallel: parallel ?? false }, choice.fresh)));
  } finally {
    await service.runs.include(workspace);
  }
  return Promise.all(started.map(({ folder }) => service.runs.refresh(folder)));
}

/** Of a search by halving, those that come next: its first ones, or where it stopped. */
async function startGroup(
  plans: readonly RunPlan[],
  options: StartOptions,
  fresh: boolean | undefined,
): Promise<StartedRun[]> {
  if (plans[0]?.halving === undefined) {
    const started: StartedRun[] = [];
    for (const plan of plans) started.push(await startRun(plan, options));
    return started;
  }
  const bracket = await openBracket(plans, getWorkspaceRunsFolder(options.workspace), { fresh });
  const started = await advanceBracket(bracket, options);
  if (started.length > 0) return started;
  throw new WorkbenchError(
    "busy",
    "The search of this experiment is running. Stop its runs first, or wait for its end.",
  );
}

function refuseIdle(plans: readonly RunPlan[]): void {
  if (plans.some(({ steps }) => steps.length > 0)) return;
  throw new WorkbenchError(
    "invalid-input",
    "There is nothing to run up to this cell: no cell has an action such as train or evaluate. Run a later cell.",
  );
}
