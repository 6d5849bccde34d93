/** The plan of a run that repeats another with changed settings. */
import { WorkbenchError } from "../../protocol/errors";
import type { RunPlan } from "../../protocol/run";
import type { Scheduler } from "../../protocol/scheduler";
import type { SchemaCatalog } from "../../schema/experiment";
import { parseExperiment } from "./parse";
import { planRuns } from "./plan";
import { writeResolvedYaml } from "./resolvedYaml";
import { renameWithSettings } from "./runName";
import { parseSettings } from "./settings";

export interface AgainOptions {
  /** As `--set` takes them. */
  readonly settings: readonly string[];
  readonly seed?: number | undefined;
  readonly device?: string | undefined;
  readonly parallelProcesses?: number | undefined;
  readonly scheduler?: Scheduler | undefined;
  readonly fresh?: boolean | undefined;
}

/** Everything that the run had read is in it, also what `--set`, its variant and its sweep gave it. It is in no search. */
export function planAgain(
  plan: RunPlan,
  { settings, seed, device, parallelProcesses, scheduler, fresh }: AgainOptions,
  { catalog, codeVersion }: { readonly catalog: SchemaCatalog; readonly codeVersion: string },
): RunPlan {
  const set = parseSettings(settings);
  if ("scale" in set)
    throw new WorkbenchError(
      "invalid-input",
      "--set scale: the settings of a run already are those of its scale. Run the experiment at another scale instead.",
    );
  const text = writeResolvedYaml(plan, { folder: plan.folder });
  const experiment = parseExperiment(text, "config.resolved.yaml", catalog);
  const [next] = planRuns(experiment, {
    codeVersion,
    set,
    ...(seed === undefined ? {} : { seed }),
    ...(device === undefined ? {} : { device }),
    ...(parallelProcesses === undefined ? {} : { parallelProcesses }),
    ...(scheduler === undefined ? {} : { scheduler }),
  });
  if (next === undefined) throw new Error("config.resolved.yaml describes no run.");
  const changes: Readonly<Record<string, unknown>> = { ...set, ...(seed === undefined ? {} : { seed }) };
  const swept = Object.keys(plan.sweep).flatMap((path) =>
    path in changes
      ? [[path, changes[path]] as const]
      : path in next.sweep
        ? [[path, next.sweep[path]] as const]
        : [],
  );
  return {
    ...next,
    experiment: plan.experiment,
    folder: plan.folder,
    name: renameWithSettings(plan.name, plan.sweep, changes),
    sweep: Object.fromEntries(swept),
    ...(fresh === true ? { fresh: true } : {}),
  };
}
