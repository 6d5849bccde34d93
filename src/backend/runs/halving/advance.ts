/** Starts the runs that a search by successive halving needs next, without waiting for them. */
import { dirname } from "node:path";
import { toWorkbenchError } from "../../../protocol/errors";
import { RunFolder } from "../folder/runFolder";
import { resumeRun, startRun, type StartedRun, type StartOptions } from "../process/startRun";
import { type Bracket, decideBracket } from "./bracket";

/** Also continues runs that were stopped or killed. Each of these runs, when it ends, starts what comes after it. */
export async function advanceBracket(bracket: Bracket, options: StartOptions): Promise<StartedRun[]> {
  const { start, resume, proceed } = await decideBracket(bracket);
  const launch = { ...options, advance: true };
  const started: StartedRun[] = [];
  for (const { folder } of [...proceed, ...resume]) started.push(await resumeRun(folder, launch));
  for (const candidate of start)
    started.push(await startRun(bracket.plans[candidate]!, { ...launch, runsFolder: bracket.runsFolder }));
  return started;
}

/** Called by the process of a run that has ended: what it waited for, or was the last to wait for, continues. */
export async function advanceAfter(path: string, options: Pick<StartOptions, "script">): Promise<void> {
  const folder = RunFolder.open(path);
  const { halving: plan } = folder.record.plan;
  if (plan === undefined) return;
  try {
    const { proceed } = await decideBracket({ id: plan.bracket, plan, runsFolder: dirname(folder.path) });
    for (const run of proceed) await resumeRun(run.folder, { ...options, advance: true });
  } catch (thrown) {
    folder.log(
      `The search could not continue: ${toWorkbenchError(thrown).message} Run the experiment again to continue it.`,
    );
  }
}
