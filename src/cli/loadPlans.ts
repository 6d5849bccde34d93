/** From an experiment file and the options of a command line to the runs that it means. */
import { readFileSync, statSync } from "node:fs";
import { relative, resolve } from "node:path";
import { mostCharacters, parseExperiment } from "../backend/experiment/parse";
import { planRuns } from "../backend/experiment/plan";
import { parseSettings } from "../backend/experiment/settings";
import { workspaceOf } from "../backend/runs/runLocation";
import { WorkbenchError } from "../protocol/errors";
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

function readExperimentFile(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new WorkbenchError("not-found", `No experiment file ${file}.`);
  if (!found.isFile())
    throw new WorkbenchError("invalid-input", `${file} is a folder; name an experiment file.`);
  // The parser says what is too long; this keeps a wrong file of gigabytes out of memory.
  if (found.size > 8 * mostCharacters) {
    throw new WorkbenchError("invalid-input", `${file} has ${found.size} bytes: it is no experiment.`);
  }
  return readFileSync(file, "utf8");
}

export function loadPlans(file: string, options: PlanOptions, catalog: SchemaCatalog): Plans {
  const text = readExperimentFile(file);
  const workspace = workspaceOf(file);
  const { variant, set, seed, device } = options;
  const chosen = {
    codeVersion: version,
    set: parseSettings(set ?? []),
    ...(variant === undefined ? {} : { variant }),
    ...(seed === undefined ? {} : { seed }),
    ...(device === undefined ? {} : { device }),
  };
  const plansOf = (name: string) => planRuns(parseExperiment(text, name, catalog), chosen);
  try {
    const name = relative(workspace, resolve(file)).replaceAll("\\", "/");
    return { workspace, plans: plansOf(name) };
  } catch (thrown) {
    // Plans name the file as seen from the workspace; messages name it as it was typed, so that it can be clicked.
    if (thrown instanceof WorkbenchError) plansOf(file);
    throw thrown;
  }
}
