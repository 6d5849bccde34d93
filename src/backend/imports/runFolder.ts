/** Finds the checkpoint of a run folder that holds the model of the run. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { isAbsolute, join, relative, resolve } from "node:path";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { checkpointName, listSavedSteps } from "../checkpoints/checkpointNames";

export type CheckpointChoice = "last" | "best";

/** Far more than these files contain. */
const maxBytes = 2 ** 20;

const doneSchema = z.object({ step: z.int(), checkpoint: z.string().optional() });
const stateSchema = z.object({
  step: z.int(),
  action: z.int(),
  best: z.object({ step: z.int() }).optional(),
});

interface Candidate {
  readonly folder: string;
  readonly action: number;
  readonly step: number;
}

/** `last` is the result of the latest action, or its newest checkpoint while it runs. `best` has the lowest validation loss. */
export function findCheckpoint(run: string, which: CheckpointChoice): string {
  const newest = findNewestCheckpoint(run);
  if (which === "best") return findBestCheckpoint(run, newest);
  // A findFinishedActions action records its resulting model, which is not always the newest checkpoint.
  const candidates = [...findFinishedActions(run), ...(newest === undefined ? [] : [newest])];
  candidates.sort((a, b) => b.action - a.action || b.step - a.step);
  if (candidates[0] !== undefined) return candidates[0].folder;
  throw new WorkbenchError(
    "not-found",
    `The run ${run} has no checkpoint yet. Wait for its first one, or set train.save_steps.`,
  );
}

function findBestCheckpoint(run: string, newest: (Candidate & { best?: number }) | undefined): string {
  const folder =
    newest?.best === undefined ? undefined : join(run, "checkpoints", checkpointName(newest.best));
  if (folder !== undefined && existsSync(folder)) return folder;
  throw new WorkbenchError(
    "not-found",
    `The run ${run} has no best checkpoint because its training did not evaluate. Use the last checkpoint, or set train.eval_steps.`,
  );
}

function findFinishedActions(run: string): Candidate[] {
  return listNames(join(run, "steps")).flatMap((name) => {
    const action = /^(\d+)-\w+$/.exec(name)?.[1];
    const done = action && readRecord(join(run, "steps", name, "done.json"), doneSchema);
    if (!done || done.checkpoint === undefined) return [];
    const folder = resolve(run, done.checkpoint);
    const inside = relative(run, folder);
    if (inside.startsWith("..") || isAbsolute(inside) || !existsSync(folder)) return [];
    return [{ folder, action: Number(action), step: done.step }];
  });
}

function findNewestCheckpoint(run: string): (Candidate & { best?: number }) | undefined {
  for (const step of listSavedSteps(join(run, "checkpoints"))) {
    const folder = join(run, "checkpoints", checkpointName(step));
    const state = readRecord(join(folder, "state.json"), stateSchema);
    if (state === undefined) continue;
    // The state counts the steps of this training; the name of the folder counts those of the whole run.
    const best = state.best && step - state.step + state.best.step;
    return { folder, action: state.action, step, ...(best === undefined ? {} : { best }) };
  }
  return undefined;
}

function listNames(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Returns undefined if the file is missing or incomplete, as in a killed run. */
function readRecord<T>(path: string, schema: z.ZodType<T>): T | undefined {
  if (!existsSync(path) || statSync(path).size > maxBytes) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
