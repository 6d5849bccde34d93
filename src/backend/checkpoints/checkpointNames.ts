/** The names of the checkpoints in the `checkpoints` folder of a run: `step-<n>`, with the optimizer steps of the whole run. */
import { readdirSync } from "node:fs";

export const checkpointName = (step: number): string => `step-${step}`;

/** The step in the name of a checkpoint; undefined for any other name. */
export function parseCheckpointStep(name: string): number | undefined {
  const digits = /^step-(\d{1,12})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Steps of the checkpoints in a folder, latest first; empty if the folder does not exist. */
export function listSavedSteps(folder: string): number[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
  return names.flatMap((name) => parseCheckpointStep(name) ?? []).sort((a, b) => b - a);
}
