/** The options of every command that reads an experiment. */
import { InvalidArgumentError } from "commander";
import { deviceNames } from "../schema/device";
import type { OptionSpec } from "./command";

export interface PlanOptions {
  readonly variant?: string;
  readonly set?: readonly string[];
  readonly seed?: number;
  readonly device?: string;
  readonly parallelProcesses?: number;
}

export function parseWholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("Write a whole number.");
  return Number(text);
}

export function collect(text: string, previous: unknown): readonly string[] {
  return [...((previous ?? []) as readonly string[]), text];
}

export const parallelOption: OptionSpec = [
  "--parallel-processes <number>",
  "processes that train together on each machine, through PyTorch; see docs/scaling.md",
  parseWholeNumber,
];

export const pushOption: OptionSpec = [
  "--push",
  "publish what export.push_to names on the Hugging Face hub; without it, the log shows what would be sent",
];

export const planOptions: readonly OptionSpec[] = [
  ["--variant <name>", "run only this variant"],
  ["--set <key=value>", "change a setting, such as train.max_steps=100; repeatable", collect],
  ["--seed <number>", "seed of weights, data order and sampling", parseWholeNumber],
  ["--device <name>", deviceNames.join(", ")],
  parallelOption,
];
