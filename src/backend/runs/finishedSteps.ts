/**
 * What finished steps leave behind, so that a resumed run passes over its own and a new run takes over those of earlier
 * runs whose key is the same: nothing that the result depends on has changed.
 */
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { Step } from "../../protocol/run";
import { type Checkpoint, readCheckpoint } from "../training/checkpoint";
import { readMetrics } from "./metricsReader";
import { metricsOf } from "./metricLine";
import type { RunContext } from "./runContext";
import { safeName } from "./runLocation";

const doneSchema = z.object({
  key: z.string(),
  /** Optimizer steps of the run before and after this action. */
  from: z.int().min(0),
  step: z.int().min(0),
  /** The model as the action left it, relative to the run folder; absent where the action leaves the model alone. */
  checkpoint: z.string().optional(),
});
export type Done = z.infer<typeof doneSchema>;

const doneFile = "done.json";
const stepFolderName = (step: Step) => `${step.index}-${step.action}`;

export function markDone(context: RunContext, step: Step, done: Done): void {
  context.folder.write(
    join("steps", stepFolderName(step), doneFile),
    `${JSON.stringify(done, undefined, 2)}\n`,
  );
}

/** This run's own finished step, from before it was interrupted. */
export function ownResult(context: RunContext, step: Step): Done | undefined {
  return doneIn(context.folder.path, step);
}

/** Copies the newest equal step of an earlier run into this one, metrics included; undefined where there is none. */
export async function takeOver(context: RunContext, step: Step, from: number): Promise<Done | undefined> {
  const found = equalStep(context, step, from);
  if (found === undefined) return undefined;
  const { folder, done } = found;
  if (done.checkpoint !== undefined)
    cpSync(join(folder, done.checkpoint), context.folder.inside(done.checkpoint), { recursive: true });
  cpSync(join(folder, "steps", stepFolderName(step)), context.stepFolder(step.index, step.action), {
    recursive: true,
  });
  const { lines } = await readMetrics(join(folder, "metrics.jsonl"));
  // The first action also brings the evaluation before its first step.
  const first = from === 0 ? 0 : from + 1;
  for (const line of lines.filter((each) => each.step >= first && each.step <= done.step)) {
    const values = metricsOf(line).filter(([name]) => name.startsWith("train/") || name.startsWith("eval/"));
    if (values.length > 0 && done.checkpoint !== undefined)
      context.metric({
        step: line.step,
        ...(line.tokens === undefined ? {} : { tokens: line.tokens }),
        ...Object.fromEntries(values),
      });
  }
  context.log(
    `Step ${step.index} (${step.action}) is taken over from ${basename(folder)}: nothing it depends on has changed.`,
  );
  return done;
}

/** Runs of the same name are the ones that can hold an equal step; the newest that is whole wins. */
function equalStep(
  context: RunContext,
  step: Step,
  from: number,
): { folder: string; done: Done } | undefined {
  const runs = dirname(context.folder.path);
  const prefix = `${safeName(context.plan.name)}-`;
  const names = readdirSync(runs).filter((name) => name.startsWith(prefix) && name !== context.folder.id);
  for (const name of names.sort((a, b) => stampOf(b).localeCompare(stampOf(a)))) {
    const folder = join(runs, name);
    const done = doneIn(folder, step);
    if (done?.key !== step.key || done.from !== from) continue;
    if (done.checkpoint === undefined || readable(join(folder, done.checkpoint))) return { folder, done };
  }
  return undefined;
}

const stampOf = (name: string) => /-(\d{8}-\d{6})-[0-9a-f]{4}$/.exec(name)?.[1] ?? "";

function readable(checkpoint: string): Checkpoint | undefined {
  try {
    return readCheckpoint(checkpoint);
  } catch {
    return undefined; // A broken checkpoint of another run is no fault of this one: the step is simply run.
  }
}

function doneIn(folder: string, step: Step): Done | undefined {
  const path = join(folder, "steps", stepFolderName(step), doneFile);
  if (!existsSync(path)) return undefined;
  try {
    return doneSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined; // Not written to its end: the step did not finish.
  }
}
