/** What a run does: its actions in order, on the model as each leaves it, passing over what is done already. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import type { DeviceName } from "../../protocol/experiment";
import type { Step } from "../../protocol/run";
import { version } from "../../protocol/version";
import { chooseDevice } from "../engine/devices";
import { countModel } from "../evaluation/accounting";
import { withStepKeys } from "../experiment/stepKey";
import { readCheckpoint } from "../training/checkpoint";
import { actions } from "./actions/catalog";
import { type Done, markDone, ownResult, takeOver } from "./finishedSteps";
import { writtenFileOf } from "./modelFile";
import type { RunContext, RunProgram } from "./runContext";
import { openWorkshop, type Workpiece, type Workshop } from "./workshop";

export const program: RunProgram = {
  body,
  resolveDevice: async (device) => (await chooseDevice(device as DeviceName)).name,
  versions: { lathe: version },
};

async function body(context: RunContext): Promise<void> {
  await using workshop = await openWorkshop(context);
  const dataHash = workshop.data?.hash;
  const { steps } = withStepKeys(context.plan, { codeVersion: codeVersion(), ...(dataHash && { dataHash }) });
  let workpiece = workshop.first;
  tellCounts(context, workpiece);
  for (const step of steps) {
    const next = await carryOut(step, workpiece, workshop);
    if (next === undefined) return;
    if (next !== workpiece) tellCounts(context, next);
    workpiece = next;
    if ((await context.control.checkpoint(workpiece.step)) === "stop") return;
  }
}

async function carryOut(
  step: Step,
  workpiece: Workpiece,
  workshop: Workshop,
): Promise<Workpiece | undefined> {
  const { context } = workshop;
  const own = context.resumed ? ownResult(context, step) : undefined;
  const done =
    own ?? (context.plan.fresh === true ? undefined : await takeOver(context, step, workpiece.step));
  if (done !== undefined) return afterwards(context, workpiece, done);

  const action = actions[step.action];
  const folder = context.stepFolder(step.index, step.action);
  context.log(`Step ${step.index}: ${step.action}.`);
  const next = await action.perform({ step, workpiece, workshop, folder });
  if (next === undefined) return undefined;
  const checkpoint = action.changesModel ? next.checkpoint : undefined;
  markDone(context, step, {
    key: step.key,
    from: workpiece.step,
    step: next.step,
    ...(checkpoint === undefined ? {} : { checkpoint: relative(context.folder.path, checkpoint) }),
  });
  return next;
}

/** The model after a step that need not be run again. */
function afterwards(context: RunContext, before: Workpiece, done: Done): Workpiece {
  if (done.checkpoint === undefined) return before;
  const checkpoint = context.folder.inside(done.checkpoint);
  const { shape, tensors } = readCheckpoint(checkpoint);
  context.progress({ step: done.step, steps: done.step, action: "taken over" });
  return { shape, tensors, step: done.step, checkpoint };
}

function tellCounts(context: RunContext, { shape, tensors, checkpoint }: Workpiece): void {
  const { nonEmbedding, total } = countModel(shape, {
    tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
    ...(checkpoint === undefined ? {} : { file: writtenFileOf(checkpoint) }),
  });
  context.describe({ counts: { nonEmbedding, total } });
  const shown = (number: number) => number.toLocaleString("en-US");
  context.log(`${shown(nonEmbedding.stored)} non-embedding parameters, ${shown(total.stored)} in all.`);
}

/** Changes with every build of the program that computes results. */
function codeVersion(): string {
  const program =
    typeof __filename === "string" ? createHash("sha256").update(readFileSync(__filename)).digest("hex") : "";
  return `${version} ${program}`;
}
