/** Starts the runs of an experiment from the editor, with the same plans and checks as the command line. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { RunPlan } from "../../../protocol/run";
import type { RunSummary, StartRuns } from "../../../protocol/service/runs";
import { startRun } from "../../runs/process/startRun";
import type { Service } from "../service";

export async function startRuns(
  service: Service,
  { experiment, settings, parallel, beside, ...choice }: StartRuns,
): Promise<readonly RunSummary[]> {
  // The nearest such folder gets the runs, from whichever program they are started.
  if (beside === true) mkdirSync(join(dirname(experiment), ".lathe"), { recursive: true });
  // The checks load the models, the tokenizers and every method.
  const [{ loadPlans }, { checkPlans }, { locateFault }] = await Promise.all([
    import("../../runs/planning/loadPlans"),
    import("../../runs/planning/checkPlan"),
    import("./locateFault"),
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
  await checkPlans(plans, workspace).catch((thrown: unknown) => {
    throw locateFault(thrown, parsed);
  });
  const folders: string[] = [];
  try {
    // In order, so that the runs queue for their device in the order of the file.
    for (const plan of plans)
      folders.push((await startRun(plan, { workspace, parallel: parallel ?? false })).folder);
  } finally {
    await service.runs.include(workspace);
  }
  return Promise.all(folders.map((folder) => service.runs.refresh(folder)));
}

function refuseIdle(plans: readonly RunPlan[]): void {
  if (plans.some(({ steps }) => steps.length > 0)) return;
  throw new WorkbenchError(
    "invalid-input",
    "There is nothing to run up to this cell: no cell has an action such as train or evaluate. Run a later cell.",
  );
}
