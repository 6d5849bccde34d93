/** Implements the tools of methods with the engine and the text of a run. */
import { WorkbenchError } from "../../../protocol/errors";
import { trainSchema } from "../../../schema/experiment";
import type { DataSet } from "../../data/dataSet";
import type { Tokenizer } from "../../data/tokenizers/tokenizer";
import type { Engine, Program } from "../../engine/engine";
import type { ModelShape } from "../../models/model";
import { metrics } from "../../evaluation/catalog";
import { EngineAlgebra } from "../../compression/algebra/products";
import { computeGradients } from "../../compression/calibration/gradients";
import { computeLosses } from "../../compression/calibration/losses";
import type { Lab } from "../../compression/method";
import {
  type Calibration,
  type ObserveCall,
  readCalibrationBatches,
} from "../../compression/calibration/batches";
import { observe } from "../../compression/calibration/observe";
import { readLayers } from "../../compression/calibration/readLayers";
import { toTrainOptions } from "../../compression/training";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { evaluateLoss } from "../../training/evaluateLoss";
import { disposeAll } from "../../training/evaluateLoss";
import type { HostTensors } from "../../checkpoints/safetensors";
import { uploadAll } from "../../training/feeds";
import { createPrepare, prepareBatches } from "../../training/objective";
import { createTrainee } from "../../training/trainee";
import { countEvaluationSequences } from "../../training/request";
import { train } from "../../training/trainer";
import { type BatchShape, buildEvaluation } from "../../training/trainStep";

export interface LabParts {
  readonly engine: Engine;
  readonly data: (DataSet & { readonly title: string }) | undefined;
  readonly tokenizer: Tokenizer | undefined;
  readonly seed: number;
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number, what: string) => void;
  readonly log: (message: string) => void;
  readonly trial: Lab["trial"];
  /** Values of a training step, counted over all trainings of the lab. */
  metrics(step: number, tokens: number, values: Readonly<Record<`${string}/${string}`, number>>): void;
  /** Called between training steps. */
  verdict(step: number): Promise<"run" | "stop" | "save">;
}

/** A lab that counts its training steps. Disposing it frees the memory of its programs. */
export interface CountingLab extends Lab, AsyncDisposable {
  readonly steps: number;
  readonly tokens: number;
}

/** Sequences per batch, which affects only time and memory. */
const rows = 8;

export function createMethodLab(parts: LabParts): CountingLab {
  const { engine, tokenizer, seed, signal, progress, log } = parts;
  let [steps, tokens] = [0, 0];
  const algebra = new EngineAlgebra(engine);

  async function trainModel(
    ...[trainee, tensors, options, teacherTensors]: Parameters<Lab["fit"]>
  ): Promise<HostTensors> {
    const before = { steps, tokens };
    const result = await train(
      {
        engine,
        trainee,
        tensors,
        teacherTensors,
        train: requireText(parts).train,
        validation: undefined,
        prepare: trainee.shape && createPrepare(trainee.shape, tokenizer),
        options: toTrainOptions(options),
        // Each training draws different sequences.
        seed: (seed + before.steps) & 0x7fffffff,
        action: 0,
      },
      {
        metrics: (step, counted, values) =>
          parts.metrics(before.steps + step, before.tokens + counted, values),
        progress: (step, all) => progress(step, all, "training"),
        verdict: async (step) => ((await parts.verdict(before.steps + step)) === "stop" ? "stop" : "run"),
        // An interrupted method restarts, so nothing is saved before it ends.
        save: () => undefined,
        log: () => undefined,
      },
    );
    if (result.outcome === "stopped") throw new WorkbenchError("cancelled", "The method was stopped.");
    steps += result.state.step;
    tokens += result.state.tokens;
    return result.tensors;
  }

  /** The program of the last validation, which the next one reuses if the model has the same shape. */
  let evaluation: { readonly key: string; readonly program: Program } | undefined;
  async function compileEvaluation(shape: ModelShape, batch: BatchShape): Promise<Program> {
    const key = JSON.stringify([shape, batch]);
    if (evaluation?.key === key) return evaluation.program;
    await disposeEvaluation();
    const program = await engine.compile(buildEvaluation(createTrainee(shape), batch));
    evaluation = { key, program };
    return program;
  }
  async function disposeEvaluation(): Promise<void> {
    await evaluation?.program[Symbol.asyncDispose]();
    evaluation = undefined;
  }

  async function validationLoss({ shape, tensors }: Checkpoint, limit = Infinity): Promise<number> {
    const { validation } = requireText(parts);
    if (validation === undefined)
      throw new WorkbenchError(
        "invalid-input",
        "There is no validation split to measure on. Raise data.val_fraction or name files in data.validation_text.",
      );
    const { sequenceLength: length, documentMask, packing, types = false } = validation.layout;
    const segments = documentMask || !packing;
    const batch = { rows, length, segments, positions: documentMask && packing, types };
    const program = await compileEvaluation(shape, batch);
    const weights = uploadAll(engine, tensors);
    try {
      // As much as a training evaluates by default.
      const sequences = Math.min(limit, countEvaluationSequences(trainSchema.parse({}), validation));
      const batches = prepareBatches(validation.batches(rows, sequences), createPrepare(shape, tokenizer));
      const { loss } = await evaluateLoss(engine, program, weights, batches);
      return loss;
    } finally {
      disposeAll(weights);
    }
  }

  async function measure(model: Checkpoint, name: string, sequences?: number): Promise<number> {
    if (name === "eval/loss") return validationLoss(model, sequences);
    const metric = metrics[name.slice(0, name.indexOf("/"))];
    const { values } = (await metric?.evaluate(
      { ...model, tokenizer, data: parts.data },
      metric.options.parse({}),
      { engine, seed, signal, progress },
    )) ?? { values: {} };
    const value = (values as Readonly<Record<string, number>>)[name];
    if (value !== undefined) return value;
    throw new WorkbenchError(
      "invalid-input",
      `There is no metric ${name}. Name eval/loss, or a metric and its value, such as perplexity/token` +
        `${Object.keys(values).length === 0 ? "" : `; available: ${Object.keys(values).join(", ")}`}.`,
    );
  }

  /** Reported once, however many layers are visited. */
  let isShortageReported = false;
  function reading({ samples }: Calibration): ObserveCall {
    const { train: split } = requireText(parts);
    if (samples > split.sequences && !isShortageReported) {
      isShortageReported = true;
      log(
        `calibration.samples is ${samples}, but the training split has ${split.sequences} sequences: all of them are read.`,
      );
    }
    return { engine, train: split, seed, signal, progress };
  }

  return {
    seed,
    signal,
    progress,
    log,
    algebra,
    observe: async (model, taps, calibration, layerTap) =>
      observe(model, taps, calibration, reading(calibration), layerTap),
    readTokens: (calibration) => readCalibrationBatches(calibration, reading(calibration)),
    readLayers: async (original, readsOriginal, calibration) =>
      readLayers(original, readsOriginal, calibration, reading(calibration)),
    gradients: async (model, names, calibration) =>
      computeGradients(model, names, calibration, {
        ...reading(calibration),
        prepare: createPrepare(model.shape, tokenizer),
      }),
    losses: (shape, models, calibration) =>
      computeLosses(shape, models, calibration, {
        ...reading(calibration),
        progress: () => undefined,
        prepare: createPrepare(shape, tokenizer),
      }),
    train: async ({ shape, tensors: initial }, options) => ({
      shape,
      tensors: await trainModel(createTrainee(shape), initial, options),
    }),
    fit: trainModel,
    evaluate: measure,
    trial: parts.trial,
    get steps() {
      return steps;
    },
    get tokens() {
      return tokens;
    },
    [Symbol.asyncDispose]: async () => {
      await disposeEvaluation();
      await algebra[Symbol.asyncDispose]();
    },
  };
}

function requireText({ data }: LabParts): DataSet {
  if (data !== undefined) return data;
  throw new WorkbenchError(
    "invalid-input",
    "There is no text to read. Add a data cell above the compress cell.",
  );
}
