/** Changes the plan of a run that is not running, so that resuming it follows the new plan. */
import { rmSync } from "node:fs";
import { WorkbenchError } from "../../../protocol/errors";
import type { RunRecord, Step } from "../../../protocol/run";
import { version } from "../../../protocol/version";
import type { DeviceName } from "../../../schema/device";
import type { SchemaCatalog } from "../../../schema/experiment";
import { checkTrainOptions } from "../../engine/checks";
import { chooseDevice } from "../../engine/devices";
import { changePlan, type PlanChanges, type StepProgress } from "../../experiment/changePlan";
import { RunFolder } from "../folder/runFolder";
import { addToSummary, type Summary } from "../metrics/metricLine";
import { MetricsWriter } from "../metrics/metricsWriter";
import { readDone, removeDone, stepFolderName } from "../steps/finishedSteps";
import { refuseIfTaken } from "./claimRun";
import { withFolderLock } from "./folderMutex";

/** Results that no longer hold are removed before the record names the new plan. */
export async function changeRunPlan(
  path: string,
  changes: PlanChanges,
  catalog: SchemaCatalog,
): Promise<void> {
  await withFolderLock(path, async () => {
    const folder = RunFolder.open(path);
    const { record } = folder;
    await refuseIfTaken(record);
    if (changes.device !== undefined) await refuseDevice(changes.device, record);
    if (changes.settings.length > 0) refuseCandidate(record);
    const { plan, first, notices } = changePlan(record.plan, changes, (step) => getProgress(folder, step), {
      catalog,
      codeVersion: version,
    });
    // A process that is killed in between leaves the old plan with fewer results, and the change can be asked for again.
    const summary = first === undefined ? record.summary : dropResults(folder, first);
    folder.update({
      plan,
      summary,
      notices: [...record.notices, ...notices],
      state: record.state === "done" && first !== undefined ? "stopped" : record.state,
    });
    if (changes.settings.length > 0) folder.log(`The plan was changed: ${changes.settings.join(", ")}.`);
    for (const notice of notices) folder.log(`Notice: ${notice}`);
  });
}

/** What a run has computed holds on any device; options that a device lacks are refused before the run begins. */
async function refuseDevice(name: string, { plan }: RunRecord): Promise<void> {
  const { name: device } = await chooseDevice(name as DeviceName);
  for (const { action, options } of plan.steps) if (action === "train") checkTrainOptions(device, options);
}

/** The rungs of a search hold for all its runs. */
function refuseCandidate({ id, state, plan }: RunRecord): void {
  if (plan.halving === undefined || state === "done") return;
  throw new WorkbenchError(
    "invalid-input",
    `${id} is part of a search by halving, so its plan cannot change. Run it alone with other settings: lathe run --from ${id} --set ….`,
  );
}

function getProgress(folder: RunFolder, step: Step): StepProgress {
  const done = readDone(folder.path, step);
  const before = folder.record.plan.steps.slice(0, step.index).map((each) => readDone(folder.path, each));
  // Nothing of a step holds before those above it are finished.
  if (before.includes(undefined)) return { finished: false, trained: 0 };
  const from = before.at(-1)?.step ?? 0;
  const saved = folder.savedSteps.filter((each) => each > from && each <= (done?.step ?? Infinity));
  return { finished: done !== undefined, trained: Math.max(from, ...saved) - from };
}

/** Removes what the actions after `first` left, and that `first` is finished; gives the summary of what was measured up to then. */
function dropResults(folder: RunFolder, first: number): Summary {
  const { plan, summary } = folder.record;
  for (const step of plan.steps.slice(first + 1).reverse())
    rmSync(folder.inside("steps", stepFolderName(step)), { recursive: true, force: true });
  const step = plan.steps[first]!;
  const done = readDone(folder.path, step);
  if (done === undefined) return summary;
  for (const saved of folder.savedSteps)
    if (saved > done.step) rmSync(folder.checkpoint(saved), { recursive: true, force: true });
  const metrics = new MetricsWriter(folder.inside("metrics.jsonl"));
  try {
    const remainingLines = metrics.truncate(done.lines[1]);
    removeDone(folder.path, step);
    return remainingLines.reduce<Summary>(addToSummary, {});
  } finally {
    metrics.close();
  }
}
