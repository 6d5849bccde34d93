/** From an experiment file and the options of a command line to the runs that it means. */
import { relative, resolve } from "node:path";
import { loadExperiment } from "../backend/experiment/load";
import { planRuns } from "../backend/experiment/plan";
import { parseSettings } from "../backend/experiment/settings";
import { workspaceOf } from "../backend/runs/runLocation";
import type { SchemaCatalog } from "../protocol/experiment";
import type { RunPlan } from "../protocol/run";
import { version } from "../protocol/version";
import { InvalidArgumentError } from "commander";
import type { OptionSpec } from "./command";

export interface PlanOptions {
  readonly variant?: string;
  readonly set?: readonly string[];
  readonly seed?: number;
  readonly device?: string;
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Write a whole number.");
  return Number(text);
}

function collect(text: string, previous: unknown): readonly string[] {
  return [...((previous ?? []) as readonly string[]), text];
}

/** The options of every command that reads an experiment. */
export const planOptions: readonly OptionSpec[] = [
  ["--variant <name>", "only this variant"],
  ["--set <key=value>", "change a setting, such as train.max_steps=100; may be repeated", collect],
  ["--seed <number>", "seed of weights, data order and sampling", wholeNumber],
  ["--device <name>", "auto, cpu, webgpu, cuda, dml or coreml"],
];

export interface Plans {
  /** Absolute: what the plans' paths are relative to. */
  readonly workspace: string;
  readonly plans: readonly RunPlan[];
}

export async function loadPlans(file: string, options: PlanOptions, catalog: SchemaCatalog): Promise<Plans> {
  const workspace = workspaceOf(file);
  const { variant, set, seed, device } = options;
  const experiment = await loadExperiment(file, catalog);
  const plans = planRuns(experiment, {
    codeVersion: version,
    // Plans name the file as seen from the workspace; messages name it as it was typed, so that it can be clicked.
    file: relative(workspace, resolve(file)).replaceAll("\\", "/"),
    set: parseSettings(set ?? []),
    ...(variant === undefined ? {} : { variant }),
    ...(seed === undefined ? {} : { seed }),
    ...(device === undefined ? {} : { device }),
  });
  return { workspace, plans };
}
