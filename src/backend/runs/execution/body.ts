/**
 * What a run does: its actions in order, each on the model that the previous one left, skipping those already done.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { type DeviceName, torchDeviceNames } from "../../../schema/device";
import { formatCount } from "../../../protocol/quantities";
import type { Step } from "../../../protocol/run";
import { version } from "../../../protocol/version";
import { chooseDevice } from "../../engine/devices";
import { countModel } from "../../models/accounting";
import { addStepKeys } from "../../experiment/stepKey";
import { actions } from "../actions/catalog";
import {
  clearStep,
  type FinishedStep,
  markDone,
  readOwnResult,
  removeFiles,
  reuseResult,
  stepFolderName,
} from "../steps/finishedSteps";
import { takeLossProtocols } from "../steps/lossProtocols";
import { describeWrittenFile } from "../folder/modelFile";
import type { RunContext, RunProgram } from "../steps/runContext";
import { openWorkshop, type Workpiece, type Workshop } from "../steps/workshop";

export const program: RunProgram = {
  body,
  // Asking PyTorch takes as long as loading it, and a device that is named has the queue of its name.
  resolveDevice: async (device) =>
    torchDeviceNames.some((each) => each === device)
      ? device
      : (await chooseDevice(device as DeviceName)).name,
  versions: { lathe: version },
};

/** Changes with every build of the program that computes results; read before a later build can replace it. */
const codeVersion = `${version} ${typeof __filename === "string" ? createHash("sha256").update(readFileSync(__filename)).digest("hex") : ""}`;

async function body(context: RunContext): Promise<void> {
  await using workshop = await openWorkshop(context);
  const { dataHash, baseModelHash, teachersHash, mergedHash } = workshop;
  const { steps } = addStepKeys(context.plan, {
    codeVersion,
    ...(dataHash === undefined ? {} : { dataHash }),
    ...(baseModelHash === undefined ? {} : { baseModelHash }),
    ...(teachersHash === undefined ? {} : { teachersHash }),
    ...(mergedHash === undefined ? {} : { mergedHash }),
  });
  let workpiece = workshop.first;
  logCounts(context, workpiece);
  // A step depends on the earlier ones, so nothing of the interrupted run is reused after the first incomplete step.
  let resuming = context.resumed;
  /** Lines of the history that belong to the steps so far. */
  let lines = 0;
  for (const step of steps) {
    if (step.index > 0 && (await context.control.checkpoint(workpiece.step)) === "stop") return;
    const finished = resuming ? readOwnResult(context, step) : undefined;
    const next =
      finished === undefined
        ? await executeStep(step, { workpiece, workshop, lines, isRetry: resuming })
        : takeFinished(context, step, workpiece, finished);
    if (next === undefined) return;
    resuming = finished !== undefined;
    lines = finished?.done.lines[1] ?? context.lines;
    if (next !== workpiece) logCounts(context, next);
    workpiece = next;
    workshop.teachers.after(step, next);
  }
}

interface StepStart {
  readonly workpiece: Workpiece;
  readonly workshop: Workshop;
  readonly lines: number;
  /** Whether an earlier attempt at the step was interrupted. */
  readonly isRetry: boolean;
}

async function executeStep(step: Step, start: StepStart): Promise<Workpiece | undefined> {
  const { workpiece, workshop, lines, isRetry } = start;
  const { context } = workshop;
  const action = actions[step.action];
  const canResume = isRetry && action.canResume?.(context, workpiece) === true;
  const keptFiles = (canResume ? action.continuedFiles : action.partialFiles) ?? [];
  if (isRetry) clearStep(context, step, keptFiles);
  // Metrics of an attempt that restarts are measured again.
  if (isRetry && !canResume) context.truncate(lines);
  if (!canResume && action.isRunSpecific?.(step) !== true && context.plan.fresh !== true) {
    const reused = await reuseResult(context, step, workpiece, lines);
    if (reused !== undefined) return takeFinished(context, step, workpiece, reused);
  }
  const folder = context.stepFolder(step.index, step.action);
  context.log(`Step ${step.index}: ${step.action}.`);
  const actionWorkshop = { ...workshop, data: workshop.stepData[step.index] };
  const next = await action.perform({ step, workpiece, workshop: actionWorkshop, folder, lines, isRetry });
  if (next === undefined) return undefined;
  const checkpoint = next === workpiece ? undefined : next.checkpoint;
  markDone(context, step, {
    key: step.key,
    from: workpiece.step,
    step: next.step,
    tokens: next.tokens,
    lines: [lines, context.lines],
    ...(checkpoint === undefined ? {} : { checkpoint: relative(context.folder.path, checkpoint) }),
  });
  removeFiles(context, step, action.partialFiles ?? []);
  return next;
}

/** Takes over what a step that does not need to run again came to, and returns the model after it. */
function takeFinished(
  context: RunContext,
  finishedStep: Step,
  before: Workpiece,
  { done, model }: FinishedStep,
): Workpiece {
  removeFiles(context, finishedStep, actions[finishedStep.action].partialFiles ?? []);
  takeLossProtocols(context, context.folder.inside("steps", stepFolderName(finishedStep)));
  if (model === undefined || done.checkpoint === undefined) return before;
  context.progress({ step: done.step, steps: done.step, action: "done before" });
  const { shape, tensors } = model;
  const { step, tokens, checkpoint } = done;
  return { shape, tensors, step, tokens, checkpoint: context.folder.inside(checkpoint) };
}

function logCounts(context: RunContext, { shape, tensors, checkpoint }: Workpiece): void {
  const { nonEmbedding, total } = countModel(shape, {
    tensors: (name) => tensors.get(name)!.data as Float32Array | Uint8Array,
    ...(checkpoint === undefined ? {} : { file: describeWrittenFile(checkpoint) }),
  });
  context.describe({ counts: { nonEmbedding, total } });
  context.log(
    `${formatCount(nonEmbedding.stored)} non-embedding parameters, ${formatCount(total.stored)} in all.`,
  );
}
