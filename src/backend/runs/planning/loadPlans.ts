/** Resolves an experiment file and a selection of it to the plans of its runs. */
import { relative, resolve } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import type { SchemaCatalog } from "../../../schema/experiment";
import type { RunPlan } from "../../../protocol/run";
import type { Scheduler } from "../../../protocol/scheduler";
import { version } from "../../../protocol/version";
import type { Experiment } from "../../experiment/experiment";
import { loadExperiment } from "../../experiment/load";
import { parseExperiment } from "../../experiment/parse";
import { planRuns } from "../../experiment/plan";
import { parseSettings } from "../../experiment/settings";
import { findFlattenedVariants } from "./overrides";
import { findWorkspace } from "../folder/runLocation";

export interface PlanChoice {
  /** The text of the file in an editor; read from the file if left out. */
  readonly text?: string | undefined;
  readonly variant?: string | undefined;
  /** In the form of `--set`. */
  readonly set?: readonly string[] | undefined;
  readonly seed?: number | undefined;
  readonly device?: string | undefined;
  readonly parallelProcesses?: number | undefined;
  readonly scheduler?: Scheduler | undefined;
  readonly throughCell?: number | undefined;
  /** The folders open where the selection was made: see `findWorkspace`. */
  readonly opened?: readonly string[] | undefined;
  /** Do not reuse finished steps of earlier runs. */
  readonly fresh?: boolean | undefined;
}

export interface Plans {
  /** Absolute: the base of the plans' paths. */
  readonly workspace: string;
  readonly plans: readonly RunPlan[];
  readonly experiment: Experiment;
  /** Lines about blocks of the file that look like cells and are not. */
  readonly warnings: readonly string[];
}

export async function loadPlans(file: string, choice: PlanChoice, catalog: SchemaCatalog): Promise<Plans> {
  const workspace = findWorkspace(file, choice.opened);
  const { text, variant, set, seed, device, parallelProcesses, scheduler, throughCell, fresh } = choice;
  const experiment =
    text === undefined ? await loadExperiment(file, catalog) : parseExperiment(text, file, catalog);
  const settings = parseSettings(set ?? []);
  const { scale, ...changes } = settings;
  const request = {
    codeVersion: version,
    // Plans name the file relative to the workspace; messages name it as it was typed, so that it can be clicked.
    file: relative(workspace, resolve(file)).replaceAll("\\", "/"),
    ...(variant === undefined ? {} : { variant }),
    ...(seed === undefined ? {} : { seed }),
    ...(device === undefined ? {} : { device }),
    ...(parallelProcesses === undefined ? {} : { parallelProcesses }),
    ...(scheduler === undefined ? {} : { scheduler }),
    ...(throughCell === undefined ? {} : { throughCell }),
  };
  const plans = planRuns(experiment, { ...request, set: settings });
  return {
    workspace,
    experiment,
    plans: fresh === true ? plans.map((plan) => ({ ...plan, fresh: true })) : plans,
    warnings: [
      ...experiment.warnings.map(({ message }) => message),
      ...(Object.keys(changes).length === 0
        ? []
        : findFlattenedVariants(
            changes,
            planWithout(experiment, { ...request, ...(scale === undefined ? {} : { set: { scale } }) }),
          )),
    ],
  };
}

/** The plans without the settings; none if the experiment is incomplete without them. */
function planWithout(experiment: Experiment, request: Parameters<typeof planRuns>[1]): readonly RunPlan[] {
  try {
    return planRuns(experiment, request);
  } catch (thrown) {
    if (thrown instanceof WorkbenchError) return [];
    throw thrown;
  }
}
