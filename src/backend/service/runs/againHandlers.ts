/** Requests that run a run again with other settings. */
import { dirname, relative, resolve } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { Handlers } from "../../../protocol/connection";
import type { RunPlan, RunRecord } from "../../../protocol/run";
import type { AgainRequests } from "../../../protocol/service/again";
import { version } from "../../../protocol/version";
import { createExperimentSchema } from "../../../schema/experiment";
import { mayUsePython } from "../../engine/devices";
import { planAgain } from "../../experiment/planAgain";
import { copyAsCells } from "../../language/copyAsCells";
import { listRunSettings } from "../../language/runSettings";
import { findRunWorkspace } from "../../runs/folder/runLocation";
import { checkPlans } from "../../runs/planning/checkPlan";
import { startRun } from "../../runs/process/startRun";
import type { Service } from "../service";

export function createAgainHandlers(service: Service): Handlers<AgainRequests> {
  const getRecord = (run: string): RunRecord => {
    const { found } = service.runs.find(run);
    if (found.record === undefined) throw new WorkbenchError("corrupt", found.failure.message);
    return found.record;
  };
  const createPlan = async (run: string, settings: readonly string[]): Promise<RunPlan> =>
    planAgain(getRecord(run).plan, { settings }, { catalog: await service.catalog(), codeVersion: version });
  return {
    "runs.settings": async ({ run }) => ({
      settings: listRunSettings(getRecord(run).plan, createExperimentSchema(await service.catalog())),
    }),
    "runs.planAgain": async ({ run, settings }) => ({ name: (await createPlan(run, settings)).name }),
    "runs.again": async ({ run, settings }) => {
      service.requireTrust("Starting a run");
      const plan = await createPlan(run, settings);
      const workspace = findRunWorkspace(run, getRecord(run).workspace);
      if (mayUsePython(plan.device)) await service.adoptPython(run);
      await checkPlans([plan], workspace);
      const { folder } = await service.finish(startRun(plan, { workspace, runsFolder: dirname(run) }));
      return service.runs.refresh(folder);
    },
    "runs.asCells": async ({ run, settings, file }) => {
      const plan = await createPlan(run, settings);
      const inputs = resolve(findRunWorkspace(run, getRecord(run).workspace), plan.folder);
      const changes = settings.map((setting) => `\`${setting}\``).join(", ");
      return {
        text: copyAsCells(plan, {
          schema: createExperimentSchema(await service.catalog()),
          title: plan.name,
          introduction: `The settings of the run \`${getRecord(run).id}\`${changes === "" ? "" : `, with ${changes}`}.`,
          folder: relative(dirname(file), inputs).replaceAll("\\", "/"),
        }),
      };
    },
  };
}
