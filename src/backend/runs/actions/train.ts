/** Trains the model, writing checkpoints and metrics into the run. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";
import { formatCount } from "../../../protocol/quantities";
import type { DataSet } from "../../data/dataSet";
import { type Labels, matchToModel } from "../../data/labels";
import { createAdapters, mergeAdapters } from "../../compression/adapters";
import { countModel } from "../../models/accounting";
import { getHead, getLabelCount } from "../../models/classifier";
import { describeExits, getExitLayers, hasExits } from "../../models/exits";
import { PairSplit } from "../../data/pairSplit";
import { draw } from "../../models/initialize";
import { hasAdapters, type ModelShape, parametersOf } from "../../models/model";
import { trainSchema } from "../../../schema/experiment";
import {
  type Checkpoint,
  readCheckpoint,
  recoverCheckpoints,
  writeCheckpoint,
} from "../../checkpoints/checkpoint";
import { checkpointName } from "../../checkpoints/checkpointNames";
import type { HostTensors } from "../../checkpoints/safetensors";
import { describeEvaluation } from "../../training/evaluationProtocol";
import { createPrepare, getHiddenShare } from "../../training/objective";
import { createTrainee } from "../../training/trainee";
import { train, type TrainingResult } from "../../training/trainer";
import type { Action, ActionCall } from "../steps/action";
import { writeAtomic } from "../folder/atomicFile";
import { watchFileName, WatchWriter } from "../metrics/watchFile";
import { writeLossProtocols } from "../steps/lossProtocols";
import { createShapeForLabels } from "../steps/stepData";
import { openRungs } from "../halving/rungs";
import { pickReference, refusePreference, refuseReference } from "../steps/preferences";
import { createTeacher } from "../steps/teachers";
import { createStepTrainee, planTraining } from "../steps/trainedShapes";
import type { Workpiece } from "../steps/workshop";
import type { RunContext } from "../steps/runContext";

const action: Action = {
  continuedFiles: [watchFileName],

  canResume: (context, workpiece) => {
    recoverCheckpoints(context.folder.inside("checkpoints"));
    return context.folder.savedSteps.some((step) => step > workpiece.step);
  },

  async perform({ step, workpiece, workshop, folder, isRetry, lines }) {
    const { context, engine } = workshop;
    const data = requireData(workshop);
    const { summary } = data;
    writeAtomic(join(folder, "data.json"), `${JSON.stringify(summary, undefined, 2)}\n`, { durable: true });
    const options = trainSchema.parse(step.options);
    const headed = addHead(workpiece, data.labels, context);
    const { during: shape, after } = planTraining(headed.shape, options);
    const initial =
      options.lora === undefined
        ? fillTensors(shape, headed.tensors, context)
        : createAdapters({ shape, tensors: headed.tensors }, context.plan.seed);
    logTrained(shape, context);
    refusePreference(shape, options, data.isPaired);
    const { notice, ...splits } = matchToModel(data, getHead(shape.config));
    const { train: sequences, validation } = data.isPaired ? toPairs(splits) : splits;
    if (notice !== undefined) context.notice(notice);
    const teacher = options.teacher && workshop.teachers.of(options.teacher);
    const reference = pickReference(options.preference, headed, workshop.teachers);
    if (reference !== undefined) refuseReference(shape, reference.shape, sequences.layout.sequenceLength);
    if (validation !== undefined)
      writeLossProtocols(context, folder, {
        "eval/loss": describeEvaluation(
          data.title,
          validation,
          options,
          getHiddenShare(shape, options.mlm_probability),
        ),
      });
    const saved = isRetry ? findLatest(context, step.index, workpiece.step) : undefined;
    if (saved !== undefined) resumeFrom(saved.step, context, options.logging_steps);
    else if (isRetry) context.truncate(lines);
    const rungs = openRungs(context, validation !== undefined);
    const keep = new CheckpointKeeper(context, options.save_total_limit, saved?.kept ?? []);
    using watch = options.watch && new WatchWriter(join(folder, watchFileName), saved?.step ?? -1);
    const result = await train(
      {
        engine,
        trainee: createStepTrainee(
          shape,
          options,
          teacher && createTeacher(shape, teacher.shape, options.teacher!),
        ),
        teacherTensors: teacher?.tensors,
        reference: reference && { trainee: createTrainee(reference.shape), tensors: reference.tensors },
        tensors: saved?.checkpoint.tensors ?? initial,
        train: sequences,
        validation,
        prepare: createPrepare(shape, workshop.tokenizer, options.mlm_probability),
        options,
        seed: context.plan.seed,
        resume: saved?.checkpoint.training,
        action: step.index,
        evaluateAt: rungs.steps,
        // After an earlier training step, the history already contains an evaluation at this step.
        evaluateFirst: workpiece.step === 0 || headed.tensors !== workpiece.tensors,
      },
      {
        metrics: (done, tokens, values) =>
          context.metric({ step: workpiece.step + done, tokens: workpiece.tokens + tokens, ...values }),
        progress: (done, steps, secondsLeft) =>
          context.progress({
            step: workpiece.step + done,
            steps: workpiece.step + steps,
            action: "train",
            ...(secondsLeft === undefined ? {} : { secondsLeft }),
          }),
        watched: (record) => watch?.append({ ...record, step: workpiece.step + record.step }),
        verdict: async (done) => {
          await rungs.visit(done, workpiece.step);
          return context.control.checkpoint(workpiece.step + done);
        },
        save: (tensors, training, best) => {
          watch?.sync();
          // Before the first step the model is unchanged: the checkpoint of the earlier action remains.
          if (training.state.step === 0) return;
          keep.add(workpiece.step + training.state.step, { shape, tensors, training }, best);
        },
        log: (message) => context.log(message),
      },
    );
    if (result.outcome === "stopped") return undefined;
    const best = result.state.best?.step;
    const chosen = options.load_best_model_at_end && best !== undefined ? best : result.state.step;
    const checkpoint = context.folder.checkpoint(workpiece.step + chosen);
    const tensors = chosen === result.state.step ? result.tensors : readCheckpoint(checkpoint).tensors;
    if (chosen !== result.state.step)
      context.log(`Continuing with the model of step ${chosen}, the best on the validation split.`);
    if (result.endedEarly !== undefined)
      context.notice(describeEarlyEnd(workpiece.step, result, chosen, result.endedEarly));
    const { state } = result;
    const [steps, tokens] = [workpiece.step + state.step, workpiece.tokens + state.tokens];
    if (after === shape) return { shape, tensors, step: steps, tokens, checkpoint };
    const merged = { shape: after, tensors: mergeAdapters({ shape, tensors }, after) };
    const mergedFolder = join(folder, "checkpoint");
    writeCheckpoint(mergedFolder, merged);
    context.log("Merged the adapters into the weights.");
    return { ...merged, step: steps, tokens, checkpoint: mergedFolder };
  },
};

export default action;

function logTrained(shape: ModelShape, context: RunContext): void {
  if (!hasAdapters(shape) && !hasExits(shape)) return;
  const { trainable, stored } = countModel(shape).total;
  const parts = hasExits(shape)
    ? `the ${describeExits(getExitLayers(shape.config))}`
    : `the adapters${getHead(shape.config) === undefined ? "" : " and the head"}`;
  context.log(
    `Training ${formatCount(trainable)} of ${formatCount(stored)} stored scalars: ${parts}. All other weights are frozen.`,
  );
}

/** `offset` are the steps before this training. */
function describeEarlyEnd(
  offset: number,
  { state }: Pick<TrainingResult, "state">,
  chosen: number,
  reason: string,
): string {
  const best = state.best?.step;
  const model =
    best === undefined || best === state.step
      ? ""
      : chosen === best
        ? ` The run continues with the best model, that of step ${offset + best}.`
        : ` The run continues with the last model; the best is in checkpoints/${checkpointName(offset + best)}. Set load_best_model_at_end to continue with it.`;
  return `Training ended early, after step ${offset + state.step}: ${reason}.${model}`;
}

const toPairs = ({ train: all, validation }: Pick<DataSet, "train" | "validation">) => ({
  train: new PairSplit(all),
  validation: validation && new PairSplit(validation),
});

function requireData({ data }: ActionCall["workshop"]) {
  if (data === undefined)
    throw new WorkbenchError(
      "invalid-input",
      "There is no text to train on. Add a data cell above the train cell.",
    );
  return data;
}

/** The model with a head for the labels of the data: its own, or a new one with random weights. */
function addHead(
  workpiece: Workpiece,
  labels: Labels | undefined,
  context: RunContext,
): Pick<Workpiece, "shape" | "tensors"> {
  const { tensors } = workpiece;
  const shape = createShapeForLabels(workpiece.shape, labels);
  if (labels === undefined || getLabelCount(workpiece.shape.config) !== undefined) return { shape, tensors };
  const { names, kind } = labels;
  context.log(
    `Replaced the language-model head with a new head for ${kind === "numbers" ? "a regression" : `${names.length} classes (${names.join(", ")})`}.`,
  );
  return { shape, tensors: fillTensors(shape, tensors, context) };
}

/** The tensors of a shape, with initial values where it has new ones. */
function fillTensors(shape: ModelShape, tensors: HostTensors, context: RunContext): HostTensors {
  const specs = parametersOf(shape);
  if (specs.every(({ name }) => tensors.has(name)) && specs.length === tensors.size) return tensors;
  return new Map(
    specs.map((spec) => [
      spec.name,
      tensors.get(spec.name) ?? { shape: spec.shape, data: draw(spec, context.plan.seed) },
    ]),
  );
}

interface SavedTraining {
  readonly step: number;
  readonly checkpoint: Checkpoint;
  readonly kept: readonly KeptCheckpoint[];
}

/** The newest readable checkpoint of this action; unreadable ones are reported and skipped. */
function findLatest(context: RunContext, action: number, offset: number): SavedTraining | undefined {
  const steps = context.folder.savedSteps.filter((step) => step > offset);
  for (const step of steps) {
    try {
      const checkpoint = readCheckpoint(context.folder.checkpoint(step));
      const state = checkpoint.training?.state;
      if (state?.action !== action) continue;
      const best = state.best === undefined ? undefined : offset + state.best.step;
      const kept = steps
        .filter((each) => each <= step)
        .reverse()
        .map((each) => ({ step: each, best: each === best }));
      return { step, checkpoint, kept };
    } catch (thrown) {
      context.notice(`The checkpoint of step ${step} cannot be used: ${(thrown as Error).message}`);
    }
  }
  if (steps.length > 0)
    context.notice("No checkpoint of this training can be used. Training restarts from the beginning.");
  return undefined;
}

function resumeFrom(step: number, context: RunContext, loggingSteps: number): void {
  const last = context.rewind(step).findLast((line) => "train/loss" in line)?.step ?? 0;
  context.log(`Resuming from the checkpoint of step ${step}.`);
  if (step - last >= loggingSteps)
    context.notice(
      `metrics.jsonl was truncated: it ends at step ${last}, and training resumes from step ${step}. The curve has a gap there.`,
    );
}

interface KeptCheckpoint {
  readonly step: number;
  readonly best: boolean;
}

/** Writes checkpoints and deletes old ones, but never the best or the last. */
class CheckpointKeeper {
  #kept: KeptCheckpoint[];

  constructor(
    private readonly context: RunContext,
    private readonly limit: number,
    kept: readonly KeptCheckpoint[],
  ) {
    this.#kept = [...kept];
    // A killed process may have written a checkpoint without deleting an older one.
    this.#prune(kept.at(-1)?.step);
  }

  add(step: number, checkpoint: Checkpoint, best: boolean): void {
    this.context.sync();
    writeCheckpoint(this.context.folder.checkpoint(step), checkpoint);
    const others = this.#kept.filter((each) => each.step !== step);
    const wasBest = this.#kept.some((each) => each.step === step && each.best);
    this.#kept = [
      ...(best ? others.map((each) => ({ ...each, best: false })) : others),
      { step, best: best || wasBest },
    ];
    this.#prune(step);
  }

  #prune(last: number | undefined): void {
    while (this.#kept.length > this.limit) {
      const oldest = this.#kept.find((each) => !each.best && each.step !== last);
      if (oldest === undefined) return;
      this.#kept = this.#kept.filter((each) => each !== oldest);
      rmSync(this.context.folder.checkpoint(oldest.step), { recursive: true, force: true });
    }
  }
}
