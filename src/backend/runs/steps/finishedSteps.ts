/**
 * The results of finished steps. A resumed run skips its own finished steps, and a new run reuses those of earlier
 * runs with the same key: nothing that the result depends on has changed.
 */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import * as z from "zod";
import type { Step } from "../../../protocol/run";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../checkpoints/checkpoint";
import { readLazily } from "../../checkpoints/safetensors";
import { readMetrics } from "../metrics/metricsReader";
import { listMetrics } from "../metrics/metricLine";
import type { MetricValues, RunContext } from "./runContext";
import { runIdPattern } from "../folder/runLocation";

const doneSchema = z.object({
  key: z.string(),
  /** Optimizer steps of the run before and after this action. */
  from: z.int().min(0),
  step: z.int().min(0),
  /** Tokens trained on so far. */
  tokens: z.int().min(0),
  /** Lines of metrics.jsonl before and after this action. */
  lines: z.tuple([z.int().min(0), z.int().min(0)]),
  /** The model as the action left it, relative to the run folder; absent if the action does not change the model. */
  checkpoint: z.string().optional(),
});
export type Done = z.infer<typeof doneSchema>;

export interface FinishedStep {
  readonly done: Done;
  /** The model of `done.checkpoint`. */
  readonly model: Checkpoint | undefined;
}

const doneFile = "done.json";
export const stepFolderName = (step: Step) => `${step.index}-${step.action}`;

/** Marks a step as done. Written last: everything else of the step is on the disk by then. */
export function markDone(context: RunContext, step: Step, done: Done): void {
  context.sync();
  context.folder.write(
    join("steps", stepFolderName(step), doneFile),
    `${JSON.stringify(done, undefined, 2)}\n`,
  );
}

/** The finished step of this run from before it was interrupted. */
export function readOwnResult(context: RunContext, step: Step): FinishedStep | undefined {
  const done = readDone(context.folder.path, step);
  if (done === undefined) return undefined;
  try {
    return { done, model: readModel(context.folder.path, step, done) };
  } catch (thrown) {
    context.notice(
      `Step ${step.index} (${step.action}) was done, but its model cannot be used, so the step runs again: ${(thrown as Error).message}`,
    );
    return undefined;
  }
}

/**
 * Copies the newest equal step of an earlier run into this one, including its metrics. Undefined if there is none.
 * `lines` of the history belong to the steps before.
 */
export async function reuseResult(
  context: RunContext,
  step: Step,
  before: { readonly step: number },
  lines: number,
): Promise<FinishedStep | undefined> {
  const equal = await findEqualStep(context, step, before.step);
  if (equal === undefined) return undefined;
  const { folder, done, measured } = equal;
  const files = join(folder, "steps", stepFolderName(step));
  cpSync(files, context.stepFolder(step.index, step.action), {
    recursive: true,
    // The checkpoint is copied whole or not at all, and the step is marked as done last.
    filter: (path) => ![join(files, doneFile), join(folder, done.checkpoint ?? doneFile)].includes(path),
  });
  for (const line of measured) context.metric(line);
  const reused: Done = { ...done, lines: [lines, context.lines] };
  if (equal.model !== undefined) writeCheckpoint(context.folder.inside(done.checkpoint!), equal.model);
  // The other run may be deleted while this one uses the weights.
  const model = equal.model && readModel(context.folder.path, step, done);
  markDone(context, step, reused);
  context.log(
    `Reused step ${step.index} (${step.action}) of ${basename(folder)}: nothing it depends on has changed.`,
  );
  return { done: reused, model };
}

/** Removes the files of an interrupted attempt at a step, except those of its folder that are continued. */
export function clearStep(context: RunContext, step: Step, continued: readonly string[]): void {
  const folder = context.folder.inside("steps", stepFolderName(step));
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder))
    if (!continued.includes(name)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** Removes files of a step's folder, where they exist. */
export function removeFiles(context: RunContext, step: Step, names: readonly string[]): void {
  for (const name of names)
    rmSync(context.folder.inside("steps", stepFolderName(step), name), { recursive: true, force: true });
}

interface EqualStep extends FinishedStep {
  readonly folder: string;
  /** Its metrics, excluding system metrics. */
  readonly measured: readonly MetricValues[];
}

/** Searches all runs in the same folder, including other variants and sweep points. The newest complete one wins. */
async function findEqualStep(context: RunContext, step: Step, from: number): Promise<EqualStep | undefined> {
  const runs = dirname(context.folder.path);
  const names = readdirSync(runs).filter((name) => runIdPattern.test(name) && name !== context.folder.id);
  for (const name of names.sort((a, b) => parseStamp(b).localeCompare(parseStamp(a)))) {
    const folder = join(runs, name);
    const done = readDone(folder, step);
    if (done?.key !== step.key || done.from !== from) continue;
    const measured = await readStepMetrics(folder, done);
    if (measured === undefined) continue;
    try {
      return { folder, done, measured, model: readModel(folder, step, done) };
    } catch {
      // A broken checkpoint of another run is not a fault of this one: the step simply runs.
    }
  }
  return undefined;
}

const parseStamp = (name: string) => /-(\d{8}-\d{6})-[0-9a-f]{4}$/.exec(name)?.[1] ?? "";

/** Undefined if the history is damaged or truncated: an incomplete curve is not worth the time saved. */
async function readStepMetrics(
  folder: string,
  { lines: [from, to] }: Done,
): Promise<readonly MetricValues[] | undefined> {
  const { lines, bad } = await readMetrics(join(folder, "metrics.jsonl"));
  if (bad > 0 || lines.length < to) return undefined;
  return lines.slice(from, to).flatMap((line) => {
    const values = listMetrics(line).filter(([name]) => !/^(system|gpu)\//.test(name));
    if (values.length === 0) return [];
    const { step, tokens } = line;
    return [{ step, ...(tokens === undefined ? {} : { tokens }), ...Object.fromEntries(values) }];
  });
}

/** Only training removes checkpoints while a run continues, so that the weights of other steps can remain in the file. */
function readModel(folder: string, { action }: Step, { checkpoint }: Done): Checkpoint | undefined {
  if (checkpoint === undefined) return undefined;
  const path = join(folder, checkpoint);
  return action === "train" ? readCheckpoint(path) : readCheckpoint(path, (file) => readLazily(file).tensors);
}

/** The step then counts as begun, with whatever it left. */
export function removeDone(folder: string, step: Step): void {
  rmSync(join(folder, "steps", stepFolderName(step), doneFile), { force: true });
}

/** What a finished step recorded; undefined where it is not finished. */
export function readDone(folder: string, step: Step): Done | undefined {
  const path = join(folder, "steps", stepFolderName(step), doneFile);
  if (!existsSync(path)) return undefined;
  try {
    return doneSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // Not written completely: the step did not finish.
  }
}
