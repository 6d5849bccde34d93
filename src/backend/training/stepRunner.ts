/**
 * The state of a training on the device (weights, optimizer slots and summed gradients) and the programs that advance it by
 * one optimizer step. The trainer selects the batches of a step and reports its results.
 */
import { type Batch, countLossLabels } from "../data/split";
import type { CompileOptions, Program, Tensor, Tensors } from "../engine/engine";
import { recomputeGateName } from "../graph/recompute";
import { checkParameters } from "../checkpoints/checkpoint";
import type { HostTensors } from "../checkpoints/safetensors";
import { teacherName } from "./distillation";
import { disposeAll, pickTensors } from "./evaluateLoss";
import { evaluatePairs, type PairEvaluation } from "./evaluatePairs";
import { download, feedBatch, handOver, uploadAll, uploadScalar } from "./feeds";
import { TopKTargetCache } from "./topKTargetCache";
import { optimizers } from "./optimizers/catalog";
import { listOptimizerSlots } from "./optimizerSlots";
import {
  getBatchShape,
  type CompiledGraph,
  compilePrograms,
  type Programs,
  type WatchPrograms,
} from "./programs";
import { countLossTerms, countTextLabels, inverseTextCountName } from "./preference";
import { ReferenceLogProbs } from "./referenceLogProbs";
import type { TrainingRequest } from "./request";
import { createSlots, createZeros } from "./startState";
import {
  dropoutSeedName,
  gradientName,
  inverseCountName,
  keepGradientsName,
  slotName,
  type StatefulGraph,
} from "./trainStep";
import { readSpreads, type WatchedSpread } from "./watch";

/** Input of a step. */
export interface StepBatches {
  readonly batches: readonly Batch[];
  /** Batches of the previous step, if the loss reads them again. */
  readonly again: readonly Batch[];
  /** Updates since the optimizer started, including this one, for bias correction. */
  readonly optimizerStep: number;
  /** Whether the step is recorded for `train.watch`. */
  readonly isWatched: boolean;
}

/** Result of one optimizer step, summed over its batches. */
export interface StepResult {
  readonly loss: number;
  /** Loss of the previous step's batches under the current weights, if the step reads them. */
  readonly lossAgain: number;
  readonly reported: Readonly<Record<`train/${string}`, number>>;
  /** Σ g² of each trained parameter, before clipping. */
  readonly squares: Float32Array;
  /** Of a watched step: its gradients and activations. */
  readonly watched: readonly WatchedSpread[];
}

export class StepRunner implements AsyncDisposable {
  private constructor(
    private readonly request: TrainingRequest,
    readonly programs: Programs,
    /** By name. */
    private held: Tensors,
    private readonly keptTargets: TopKTargetCache | undefined,
    private readonly references: References,
  ) {}

  static async open(request: TrainingRequest): Promise<StepRunner> {
    const { engine, trainee, tensors } = request;
    // Compiling takes seconds, so check the input first.
    checkParameters("the model to train", trainee.parameters, tensors);
    if (trainee.teacher !== undefined)
      checkParameters("the teacher", trainee.teacher.trainee.parameters, request.teacherTensors ?? new Map());
    const slots = createSlots(request);
    const { teacher } = trainee;
    const topKTargets =
      teacher?.topK === undefined
        ? undefined
        : await TopKTargetCache.open(engine, teacher, request.teacherTensors!, getBatchShape(request));
    const programs = await compilePrograms(request).catch(async (thrown: unknown) => {
      await topKTargets?.[Symbol.asyncDispose]();
      throw thrown;
    });
    const references = await openReferences(request, programs).catch(async (thrown: unknown) => {
      for (const program of programs.all) await program[Symbol.asyncDispose]();
      throw thrown;
    });
    const teachers = topKTargets === undefined ? [...(request.teacherTensors ?? [])] : [];
    const held: Record<string, Tensor> = uploadAll(
      engine,
      new Map([...tensors, ...teachers.map(([name, tensor]) => [teacherName(name), tensor] as const)]),
    );
    // Nothing else reads the optimizer's arrays, whether new or from a checkpoint, so they need no copy.
    for (const [name, slot] of slots) held[name] = handOver(engine, slot);
    if (programs.kind === "accumulated")
      for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
        held[gradientName(name)] = handOver(engine, createZeros(shape));
    return new StepRunner(request, programs, held, topKTargets, references);
  }

  /** Names of the parameters, in the order of `StepResult.squares`. */
  get trained(): readonly string[] {
    const { programs } = this;
    return (programs.kind === "fused" ? programs.step : programs.apply).graph.trained;
  }

  /** Updates weights and optimizer slots by one step at this learning rate. */
  async run(step: number, stepBatches: StepBatches, rate: number): Promise<StepResult> {
    const { engine, options } = this.request;
    const scalars = Object.fromEntries(
      Object.entries(optimizers[options.optim].scalars(options, stepBatches.optimizerStep, rate)).map(
        ([name, number]) => [name, uploadScalar(engine, number)],
      ),
    );
    return this.programs.kind === "fused"
      ? this.updateAtOnce(this.programs, step, stepBatches, scalars)
      : this.updateInParts(this.programs, step, stepBatches, scalars);
  }

  /** Forward, backward and optimizer in one program. */
  private async updateAtOnce(
    { step: program }: Extract<Programs, { kind: "fused" }>,
    step: number,
    { batches, isWatched }: StepBatches,
    scalars: Tensors,
  ): Promise<StepResult> {
    const feeds = {
      ...(await this.feedsOf(batches[0]!, { step, part: 0, batches })),
      ...scalars,
    };
    const watched = isWatched ? await this.watch("step", feeds) : [];
    const outputs = await this.execute(program, feeds);
    const result: StepResult = {
      loss: await readNumber(outputs.loss!),
      lossAgain: 0,
      reported: await readReported(program, outputs),
      squares: (await outputs.gradient_squares!.read()) as Float32Array,
      watched,
    };
    disposeAll(feeds);
    return result;
  }

  /** The gradient of L(θ; B_t) + L(θ; B_{t−1}), each the mean over the labels of its own step, then the optimizer. */
  private async updateInParts(
    { accumulate, apply }: Extract<Programs, { kind: "accumulated" }>,
    step: number,
    { batches, again, isWatched }: StepBatches,
    scalars: Tensors,
  ): Promise<StepResult> {
    const losses = { now: 0, again: 0 };
    const reported: Record<`train/${string}`, number> = {};
    for (const [part, batch] of [...again, ...batches].entries()) {
      const isAgain = part < again.length;
      const feeds = {
        ...(await this.feedsOf(batch, { step, part, batches: isAgain ? again : batches })),
        [keepGradientsName]: uploadScalar(this.request.engine, part === 0 ? 0 : 1),
      };
      const outputs = await this.execute(accumulate, feeds);
      losses[isAgain ? "again" : "now"] += await readNumber(outputs.loss!);
      if (!isAgain)
        for (const [name, value] of Object.entries(await readReported(accumulate, outputs)))
          reported[name as `train/${string}`] = (reported[name as `train/${string}`] ?? 0) + value;
      disposeAll(feeds);
    }
    const watched = isWatched ? await this.watchSummed(step, batches, again.length) : [];
    const outputs = await this.execute(apply, scalars);
    const squares = (await outputs.gradient_squares!.read()) as Float32Array;
    disposeAll(scalars);
    return { loss: losses.now, lossAgain: losses.again, reported, squares, watched };
  }

  /** The summed gradients of a step, and the activations of its first batch. */
  private async watchSummed(step: number, batches: readonly Batch[], part: number): Promise<WatchedSpread[]> {
    const feeds = await this.feedsOf(batches[0]!, { step, part, batches });
    const watched = await this.watch("step", feeds);
    disposeAll(feeds);
    return watched;
  }

  /** Counts the current weights, or the gradients and activations of a step before its update. */
  async watch(which: keyof WatchPrograms, feeds: Tensors = {}): Promise<WatchedSpread[]> {
    const compiled = this.programs.watch[which];
    if (compiled === undefined) return [];
    const { program, graph } = compiled;
    const outputs = await program.run(pickTensors(program.inputs, { ...this.held, ...feeds }));
    const spreads = await readSpreads(graph, outputs);
    disposeAll(outputs);
    return spreads;
  }

  /** `batches` are those of the whole step that the batch is part of. */
  private async feedsOf(
    batch: Batch,
    {
      step,
      part,
      batches,
    }: { readonly step: number; readonly part: number; readonly batches: readonly Batch[] },
  ): Promise<Tensors> {
    const { engine, seed, trainee } = this.request;
    const counted = countLossTerms(batches, trainee.preference);
    return {
      ...feedBatch(engine, batch),
      ...(await this.keptTargets?.feeds(batch)),
      ...(await this.references.step?.feeds(batch)),
      ...(trainee.preference?.loss === "orpo"
        ? { [inverseTextCountName]: uploadScalar(engine, 1 / Math.max(1, countTextLabels(batches))) }
        : {}),
      // If all labels of a step are ignored, loss and gradient are 0 instead of 0/0.
      [inverseCountName]: uploadScalar(engine, 1 / Math.max(1, counted)),
      [dropoutSeedName]: engine.upload(
        { dtype: "int32", shape: [] },
        Int32Array.of(computeDropoutSeed(seed, step, part)),
      ),
      [recomputeGateName]: engine.upload({ dtype: "bool", shape: [] }, Uint8Array.of(1)),
    };
  }

  /** The loss and rewards of held-out preference pairs. */
  async evaluatePairs(evaluation: Program, batches: Iterable<Batch>): Promise<PairEvaluation> {
    const { engine } = this.request;
    return evaluatePairs(engine, evaluation, this.weightsOnDevice, batches, this.references.evaluation);
  }

  /** Resets the optimizer slots to their initial state. */
  restartOptimizer(): void {
    const { engine, trainee, options } = this.request;
    const held = { ...this.held };
    for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
      for (const slot of listOptimizerSlots(options).map((each) => slotName(name, each))) {
        held[slot]![Symbol.dispose]();
        held[slot] = handOver(engine, createZeros(shape));
      }
    this.held = held;
  }

  /** Runs a program on the current state and its feeds, and replaces the state with its outputs. */
  private async execute({ program, graph }: CompiledGraph<StatefulGraph>, feeds: Tensors): Promise<Tensors> {
    const inputs = pickTensors(program.inputs, { ...this.held, ...feeds });
    const outputs = await program.run(inputs);
    const held = { ...this.held };
    for (const [output, name] of Object.entries(graph.state)) held[name] = outputs[output]!;
    this.held = held;
    return outputs;
  }

  /** The weights on the device, for an evaluation. */
  get weightsOnDevice(): Tensors {
    return Object.fromEntries(this.weightNames.map((name) => [name, this.held[name]!]));
  }

  async weights(): Promise<HostTensors> {
    return download(this.held, this.weightNames);
  }

  async optimizerSlots(): Promise<HostTensors> {
    const slots = listOptimizerSlots(this.request.options);
    const trained = this.request.trainee.parameters.filter(({ trainable }) => trainable);
    return download(
      this.held,
      trained.flatMap(({ name }) => slots.map((slot) => slotName(name, slot))),
    );
  }

  private get weightNames(): readonly string[] {
    return this.request.trainee.parameters.map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.held);
    await this.keptTargets?.[Symbol.asyncDispose]();
    const { step, evaluation } = this.references;
    for (const each of new Set([step, evaluation])) await each?.[Symbol.asyncDispose]();
    for (const program of this.programs.all) await program[Symbol.asyncDispose]();
  }
}

/** The reference in the precision of the step, and in that of evaluations. */
interface References {
  readonly step: ReferenceLogProbs | undefined;
  readonly evaluation: ReferenceLogProbs | undefined;
}

async function openReferences(request: TrainingRequest, programs: Programs): Promise<References> {
  const { engine, reference, options } = request;
  if (reference === undefined) return { step: undefined, evaluation: undefined };
  const shape = getBatchShape(request);
  const { savings } = programs;
  const { precision } = options;
  const open = (compileOptions: CompileOptions) =>
    ReferenceLogProbs.open(engine, reference, shape, savings, compileOptions);
  const step = await open({ precision });
  const isShared = precision === "float32" || programs.evaluation === undefined;
  return { step, evaluation: isShared ? step : await open({}) };
}

/** Number of labels that are not ignored, in all batches together. */
export function countBatchLabels(batches: readonly Batch[]): number {
  return batches.reduce((total, batch) => total + countLossLabels(batch), 0);
}

async function readReported(
  { graph }: CompiledGraph<StatefulGraph>,
  outputs: Tensors,
): Promise<Record<`train/${string}`, number>> {
  const values: Record<`train/${string}`, number> = {};
  for (const name of graph.reported) values[`train/${name}`] = await readNumber(outputs[name]!);
  return values;
}

async function readNumber(tensor: Tensor): Promise<number> {
  const [number] = await tensor.read();
  return Number(number);
}

/** The seed of a batch of a step. It depends only on the step, so a resumed run draws the same dropout masks. */
function computeDropoutSeed(seed: number, step: number, part: number): number {
  return (
    (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(step, 0x85ebca6b) ^ Math.imul(part + 1, 0xc2b2ae35)) | 0
  );
}
