/**
 * The training loop: draw a batch, run the step's program, report, evaluate, save. What a step computes is in `trainStep`,
 * what a checkpoint holds in `checkpoint`; who asked for the training, and where its files go, is none of its business.
 */
import { type BlockPlace, BlockSampler } from "../data/blockSampler";
import type { Sampler } from "../data/sampler";
import type { Batch } from "../data/split";
import type { Tensor, Tensors } from "../engine/engine";
import type { TrainOptions } from "../../schema/experiment";
import { recomputeGateName } from "../graph/recompute";
import { teacherName } from "./distillation";
import { checkParameters, type TrainingSnapshot, type TrainingState } from "../checkpoints/checkpoint";
import { refuseBrokenEvaluation, refuseBrokenStep, refuseBrokenWeights } from "./divergence";
import { countedLabels, disposeAll, evaluateLoss, only } from "./evaluateLoss";
import { download, feedBatch, handOver, uploadAll, uploadScalar } from "./feeds";
import { describeSavings } from "./memorySavings";
import { optimizers } from "./optimizers/catalog";
import { slotsOfOptimizer } from "./optimizerSlots";
import { KeptTargets } from "./keptTargets";
import { batchShapeOf, type Compiled, compilePrograms, type Programs } from "./programs";
import { batchSizeOf, stepsOf, type TrainingRequest } from "./request";
import type { HostTensors } from "../checkpoints/safetensors";
import { learningRate } from "./schedule";
import { samplerOf, slotsOf, zeros } from "./startState";
import {
  dropoutSeedName,
  gradientName,
  inverseCountName,
  keepGradientsName,
  slotName,
  type StatefulGraph,
} from "./trainStep";

/** Who watches a training: all that it tells, and when it has to stop. */
export interface TrainingObserver {
  metrics(step: number, tokens: number, values: Readonly<Record<`${string}/${string}`, number>>): void;
  progress(step: number, steps: number, secondsLeft: number | undefined): void;
  /** Asked between steps. */
  verdict(step: number): Promise<"run" | "stop" | "save">;
  save(tensors: HostTensors, training: TrainingSnapshot, best: boolean): Promise<void> | void;
  log(message: string): void;
}

export interface TrainingResult {
  readonly outcome: "done" | "stopped";
  readonly tensors: HostTensors;
  readonly state: TrainingState;
  readonly lastLoss: number;
}

export async function train(request: TrainingRequest, observer: TrainingObserver): Promise<TrainingResult> {
  await using session = await TrainingSession.open(request);
  return await session.run(observer);
}

class TrainingSession implements AsyncDisposable {
  private step: number;
  private tokens: number;
  private best: TrainingState["best"];
  private readonly secondsBefore: number;
  private readonly startedAt = performance.now();
  private lastLoss = NaN;
  /** Batches of the last step, and where the data stood before them, for a loss that reads them again. */
  private previous: readonly Batch[] = [];
  private previousSampler: unknown;
  private cumulativeLoss: number;

  private constructor(
    private readonly request: TrainingRequest,
    private readonly programs: Programs,
    private readonly sampler: Sampler | BlockSampler,
    /** Weights, optimizer slots and summed gradients by name, as they stand on the device. */
    private held: Tensors,
    private readonly keptTargets: KeptTargets | undefined,
  ) {
    const state = request.resume?.state;
    this.step = state?.step ?? 0;
    this.tokens = state?.tokens ?? 0;
    this.best = state?.best;
    this.cumulativeLoss = state?.cumulative_loss ?? 0;
    this.previousSampler = state?.previous_sampler;
    if (this.previousSampler !== undefined)
      this.previous = this.drawn(samplerOf(request, this.previousSampler));
    this.secondsBefore = state?.seconds ?? 0;
  }

  static async open(request: TrainingRequest): Promise<TrainingSession> {
    const { engine, trainee, tensors } = request;
    // All that can be refused is looked at first: compiling takes seconds.
    checkParameters("the model to train", trainee.parameters, tensors);
    if (trainee.teacher !== undefined)
      checkParameters("the teacher", trainee.teacher.trainee.parameters, request.teacherTensors ?? new Map());
    const sampler = samplerOf(request);
    const slots = slotsOf(request);
    const { teacher } = trainee;
    const kept =
      teacher?.topK === undefined
        ? undefined
        : await KeptTargets.open(engine, teacher, request.teacherTensors!, batchShapeOf(request));
    const programs = await compilePrograms(request).catch(async (thrown: unknown) => {
      await kept?.[Symbol.asyncDispose]();
      throw thrown;
    });
    const teachers = kept === undefined ? [...(request.teacherTensors ?? [])] : [];
    const held: Record<string, Tensor> = uploadAll(
      engine,
      new Map([...tensors, ...teachers.map(([name, tensor]) => [teacherName(name), tensor] as const)]),
    );
    // Nobody else reads the optimizer's memory, be it new or a checkpoint's.
    for (const [name, slot] of slots) held[name] = handOver(engine, slot);
    if (programs.kind === "accumulated")
      for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
        held[gradientName(name)] = handOver(engine, zeros(shape));
    return new TrainingSession(request, programs, sampler, held, kept);
  }

  async run(observer: TrainingObserver): Promise<TrainingResult> {
    const { options, train, validation } = this.request;
    const steps = this.blocks?.steps ?? stepsOf(options, train.sequences);
    // Such as operations that the device leaves to the processor.
    for (const notice of new Set(this.programs.all.flatMap(({ notices }) => notices))) observer.log(notice);
    const saved = describeSavings(this.programs.savings);
    if (saved !== undefined) observer.log(saved);
    const fresh = this.step === 0 && (this.request.evaluateFirst ?? true);
    if (fresh && options.eval_steps !== undefined) await this.evaluate(observer);
    let savedAt = -1;
    const save = async (best: boolean) => {
      savedAt = this.step;
      const tensors = await this.weights();
      refuseBrokenWeights(this.step, tensors);
      await observer.save(tensors, await this.snapshot(), best);
    };
    observer.progress(this.step, steps, undefined);
    while (this.step < steps) {
      const verdict = await observer.verdict(this.step);
      if (verdict !== "run") await save(false);
      if (verdict === "stop") return this.result("stopped");
      await this.advance(steps, observer);
      const due = (every: number | undefined) => every !== undefined && this.step % every === 0;
      const last = this.step === steps;
      if (
        validation !== undefined &&
        (due(options.eval_steps) || last || this.blocks?.blockIsOver === true)
      ) {
        if (await this.evaluate(observer)) await save(true);
      }
      if ((due(options.save_steps) || last) && savedAt !== this.step) await save(false);
    }
    return this.result("done");
  }

  private get blocks(): BlockSampler | undefined {
    return this.sampler instanceof BlockSampler ? this.sampler : undefined;
  }

  private drawn(sampler: Sampler | BlockSampler): readonly Batch[] {
    return Array.from({ length: this.request.options.gradient_accumulation_steps }, () => sampler.next());
  }

  /** One optimizer step over `gradient_accumulation_steps` batches. */
  private async advance(steps: number, observer: TrainingObserver): Promise<void> {
    const { engine, options, seed } = this.request;
    const begun = performance.now();
    const step = this.step + 1;
    const restarts = options.restart_optimizer && step > 1 && this.blocks?.blockIsOver === true;
    if (restarts) this.restartOptimizer();
    const before = this.sampler.state;
    const batches = this.drawn(this.sampler);
    const block = this.blocks?.block;
    if (block?.step === 1) observer.log(blockLine(block, options.sample_with_replacement, restarts));
    const optimizerStep = options.restart_optimizer && block !== undefined ? block.step : step;
    const counted = countedIn(batches);
    const rate = learningRate(options, step, steps);
    const scalars = Object.fromEntries(
      Object.entries(optimizers[options.optim].scalars(options, optimizerStep, rate)).map(
        ([name, number]) => [name, uploadScalar(engine, number)],
      ),
    );
    const { programs } = this;
    const { trained } = (programs.kind === "fused" ? programs.step : programs.apply).graph;
    let loss = 0;
    let lossAgain = 0;
    const told: Record<`train/${string}`, number> = {};
    const tell = async ({ graph }: Compiled<StatefulGraph>, outputs: Tensors) => {
      for (const name of graph.reported)
        told[`train/${name}`] = (told[`train/${name}`] ?? 0) + (await readNumber(outputs[name]!));
    };
    let squares: Float32Array;
    const feedsOf = async (batch: Batch, part: number, labels = counted): Promise<Tensors> => ({
      ...feedBatch(engine, batch),
      ...(await this.keptTargets?.feeds(batch)),
      // A step whose labels are all ignored has no loss and no gradient, rather than 0/0.
      [inverseCountName]: uploadScalar(engine, 1 / Math.max(1, labels)),
      [dropoutSeedName]: engine.upload(
        { dtype: "int32", shape: [] },
        Int32Array.of(dropoutSeed(seed, step, part)),
      ),
      [recomputeGateName]: engine.upload({ dtype: "bool", shape: [] }, Uint8Array.of(1)),
    });
    if (programs.kind === "fused") {
      const feeds = { ...(await feedsOf(batches[0]!, 0)), ...scalars };
      const outputs = await this.execute(programs.step, feeds);
      loss = await readNumber(outputs.loss!);
      await tell(programs.step, outputs);
      squares = (await outputs.gradient_squares!.read()) as Float32Array;
      disposeAll(feeds);
    } else {
      // The gradient of L(θ; B_t) + L(θ; B_{t−1}), each the mean over the labels of its own step.
      const again = options.cumulative_loss === "two-batch" ? this.previous : [];
      for (const [part, batch] of [...again, ...batches].entries()) {
        const isAgain = part < again.length;
        const feeds = {
          ...(await feedsOf(batch, part, isAgain ? countedIn(again) : counted)),
          [keepGradientsName]: uploadScalar(engine, part === 0 ? 0 : 1),
        };
        const outputs = await this.execute(programs.accumulate, feeds);
        const own = await readNumber(outputs.loss!);
        if (isAgain) lossAgain += own;
        else {
          loss += own;
          await tell(programs.accumulate, outputs);
        }
        disposeAll(feeds);
      }
      squares = (await (
        await this.execute(programs.apply, scalars)
      ).gradient_squares!.read()) as Float32Array;
      disposeAll(scalars);
    }
    refuseBrokenStep(step, told["train/objective"] ?? loss, trained, squares);
    this.step = step;
    this.tokens += counted;
    this.lastLoss = loss;
    this.cumulativeLoss += loss;
    if (options.cumulative_loss === "two-batch") [this.previous, this.previousSampler] = [batches, before];
    const cumulative = options.cumulative_loss === "literal" ? this.cumulativeLoss : loss + lossAgain;
    const seconds = (performance.now() - begun) / 1000;
    if (step % options.logging_steps === 0 || step === steps)
      observer.metrics(step, this.tokens, {
        "train/loss": loss,
        ...told,
        "train/grad_norm": Math.sqrt(squares.reduce((total, each) => total + each, 0)),
        "train/learning_rate": rate,
        ...(isCumulative(options) ? { "train/cumulative_loss": cumulative } : {}),
        "train/tokens_per_second": counted / seconds,
      });
    observer.progress(step, steps, this.secondsLeft(steps));
  }

  /** Moments as at the very start. */
  private restartOptimizer(): void {
    const { engine, trainee, options } = this.request;
    const held = { ...this.held };
    for (const { name, shape } of trainee.parameters.filter(({ trainable }) => trainable))
      for (const slot of slotsOfOptimizer(options).map((each) => slotName(name, each))) {
        held[slot]![Symbol.dispose]();
        held[slot] = handOver(engine, zeros(shape));
      }
    this.held = held;
  }

  /** Runs a program on the held state and its own feeds; its next state is held from then on. */
  private async execute({ program, graph }: Compiled<StatefulGraph>, feeds: Tensors): Promise<Tensors> {
    const inputs = only(program.inputs, { ...this.held, ...feeds });
    const outputs = await program.run(inputs);
    const held = { ...this.held };
    for (const [output, name] of Object.entries(graph.state)) held[name] = outputs[output]!;
    this.held = held;
    return outputs;
  }

  /** Loss on the validation split; true when it is the lowest so far. */
  private async evaluate(observer: TrainingObserver): Promise<boolean> {
    const { engine, validation, options, trainee } = this.request;
    if (validation === undefined || this.programs.evaluation === undefined) return false;
    const weights = Object.fromEntries(trainee.parameters.map(({ name }) => [name, this.held[name]!]));
    const batches = validation.batches(batchSizeOf(options), options.eval_batches || Infinity);
    const average = options.eval_loss_average;
    const { loss, tokens } = await evaluateLoss(engine, this.programs.evaluation, weights, batches, average);
    if (tokens === 0) {
      observer.log("No evaluation: no label counts in the first batches of the validation split.");
      return false;
    }
    if (!Number.isFinite(loss)) refuseBrokenEvaluation(this.step, loss, await this.weights());
    observer.metrics(this.step, this.tokens, { "eval/loss": loss });
    if (this.step === 0 || !(loss < (this.best?.loss ?? Infinity))) return false;
    this.best = { step: this.step, loss };
    return true;
  }

  private async weights(): Promise<HostTensors> {
    const names = this.request.trainee.parameters.map(({ name }) => name);
    return download(this.held, names);
  }

  private async snapshot(): Promise<TrainingSnapshot> {
    const slots = slotsOfOptimizer(this.request.options);
    const trained = this.request.trainee.parameters.filter(({ trainable }) => trainable);
    const names = trained.flatMap(({ name }) => slots.map((slot) => slotName(name, slot)));
    return { optimizer: await download(this.held, names), state: this.state() };
  }

  private state(): TrainingState {
    const { step, tokens, best } = this;
    const seconds = this.secondsBefore + this.elapsed();
    return {
      step,
      tokens,
      seconds,
      sampler: this.sampler.state,
      action: this.request.action,
      ...(best && { best }),
      ...(this.request.options.cumulative_loss === "literal" && { cumulative_loss: this.cumulativeLoss }),
      ...(this.previousSampler !== undefined && { previous_sampler: this.previousSampler }),
    };
  }

  private elapsed(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  private secondsLeft(steps: number): number | undefined {
    const done = this.step - (this.request.resume?.state.step ?? 0);
    return done < 2 ? undefined : (this.elapsed() / done) * (steps - this.step);
  }

  private async result(outcome: TrainingResult["outcome"]): Promise<TrainingResult> {
    return { outcome, tensors: await this.weights(), state: this.state(), lastLoss: this.lastLoss };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    disposeAll(this.held);
    await this.keptTargets?.[Symbol.asyncDispose]();
    for (const program of this.programs.all) await program[Symbol.asyncDispose]();
  }
}

function blockLine(
  { index, documents, sequences, steps }: BlockPlace,
  replacement: boolean,
  restarted: boolean,
): string {
  const shown = (number: number) => number.toLocaleString("en-US");
  const drawn = replacement
    ? ` drawn with replacement, ${shown(new Set(documents).size)} of them different,`
    : "";
  const again = restarted ? "; the optimizer begins anew" : "";
  return `Block ${index + 1}: ${shown(documents.length)} documents${drawn} in ${shown(sequences)} sequences, ${shown(steps)} steps${again}.`;
}

/** An exponential mean of gradients has no loss of its own. */
function isCumulative({ cumulative_loss: mode }: TrainOptions): boolean {
  return mode === "literal" || mode === "two-batch";
}

function countedIn(batches: readonly Batch[]): number {
  return batches.reduce((total, batch) => total + countedLabels(batch), 0);
}

async function readNumber(tensor: Tensor): Promise<number> {
  const [number] = await tensor.read();
  return Number(number);
}

/** A seed of its own for each batch of each step; it follows from the step alone, so a resumed run draws the same masks. */
function dropoutSeed(seed: number, step: number, part: number): number {
  return (
    (Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(step, 0x85ebca6b) ^ Math.imul(part + 1, 0xc2b2ae35)) | 0
  );
}
