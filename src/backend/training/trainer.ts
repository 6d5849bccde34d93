/**
 * The training loop: draw a batch, run the step's program, report, evaluate, save. `trainStep` defines what a step computes
 * and `checkpoint` what a checkpoint contains. The loop does not depend on who started the training or where files are written.
 */
import { formatCount } from "../../protocol/quantities";
import { type BlockPosition, BlockSampler } from "../data/blockSampler";
import type { Sampler } from "../data/sampler";
import type { Batch } from "../data/split";
import type { TrainOptions } from "../../schema/experiment";
import type { TrainingSnapshot, TrainingState } from "../checkpoints/checkpoint";
import { createRandomStream } from "../representations/randomStream";
import { prepareBatches } from "./objective";
import type { HostTensors } from "../checkpoints/safetensors";
import { refuseBrokenEvaluation, refuseBrokenStep, refuseBrokenWeights } from "./divergence";
import { EarlyStopping } from "./earlyStopping";
import { evaluateLoss } from "./evaluateLoss";
import { describeSavings } from "./memorySavings";
import { getBatchSize, countEvaluationSequences, countSteps, type TrainingRequest } from "./request";
import { computeLearningRate } from "./schedule";
import { createSampler } from "./startState";
import { countBatchLabels, type StepBatches, StepRunner, type StepResult } from "./stepRunner";
import type { WatchRecord } from "./watch";

/** Observer of a training: receives its reports and decides when it stops. */
export interface TrainingObserver {
  metrics(step: number, tokens: number, values: Readonly<Record<`${string}/${string}`, number>>): void;
  progress(step: number, steps: number, secondsLeft: number | undefined): void;
  /** A record for `train.watch`; without an observer of it, nothing is recorded. */
  watched?(record: WatchRecord): void;
  /** Called between steps. */
  verdict(step: number): Promise<"run" | "stop" | "save">;
  save(tensors: HostTensors, training: TrainingSnapshot, best: boolean): Promise<void> | void;
  log(message: string): void;
}

export interface TrainingResult {
  readonly outcome: "done" | "stopped";
  readonly tensors: HostTensors;
  readonly state: TrainingState;
  readonly lastLoss: number;
  /** Why the training ended before its last step. */
  readonly endedEarly?: string;
}

export async function train(request: TrainingRequest, observer: TrainingObserver): Promise<TrainingResult> {
  await using session = await TrainingSession.open(request);
  return await session.run(observer);
}

class TrainingSession implements AsyncDisposable {
  private step: number;
  private tokens: number;
  /** Number of steps without an update since the optimizer started. */
  private emptySteps: number;
  private best: TrainingState["best"];
  private readonly secondsBefore: number;
  private readonly startedAt = performance.now();
  private lastLoss = NaN;
  private readonly earlyStopping: EarlyStopping | undefined;
  /** Batches of the last step and the position in the data before them, for a loss that reads them again. */
  private previous: readonly Batch[] = [];
  private previousSampler: unknown;
  private cumulativeLoss: number;

  private constructor(
    private readonly request: TrainingRequest,
    private readonly sampler: Sampler | BlockSampler,
    private readonly runner: StepRunner,
  ) {
    const state = request.resume?.state;
    this.step = state?.step ?? 0;
    this.tokens = state?.tokens ?? 0;
    this.emptySteps = state?.empty_steps ?? 0;
    this.best = state?.best;
    this.earlyStopping =
      request.options.early_stopping &&
      new EarlyStopping(request.options.early_stopping, state?.early_stopping);
    this.cumulativeLoss = state?.cumulative_loss ?? 0;
    this.previousSampler = state?.previous_sampler;
    if (this.previousSampler !== undefined)
      this.previous = this.drawBatches(createSampler(request, this.previousSampler), this.step);
    this.secondsBefore = state?.seconds ?? 0;
  }

  static async open(request: TrainingRequest): Promise<TrainingSession> {
    // Compiling takes seconds, so check the input first.
    const sampler = createSampler(request);
    return new TrainingSession(request, sampler, await StepRunner.open(request));
  }

  async run(observer: TrainingObserver): Promise<TrainingResult> {
    const { options, train, validation } = this.request;
    const steps = this.blocks?.steps ?? countSteps(options, train.sequences);
    // For example, operations that the device runs on the CPU.
    for (const notice of new Set(this.runner.programs.all.flatMap(({ notices }) => notices)))
      observer.log(notice);
    const saved = describeSavings(this.runner.programs.savings);
    if (saved !== undefined) observer.log(saved);
    const fresh = this.step === 0 && (this.request.evaluateFirst ?? true);
    if (fresh && options.eval_steps !== undefined) await this.evaluate(observer);
    if (fresh && options.watch?.what.includes("weights") === true)
      observer.watched?.({ step: 0, turn: 0, isLast: false, spreads: await this.runner.watch("weights") });
    let savedAt = -1;
    const save = async (best: boolean) => {
      savedAt = this.step;
      const tensors = await this.runner.weights();
      refuseBrokenWeights(this.step, tensors);
      await observer.save(tensors, await this.snapshot(), best);
    };
    observer.progress(this.step, steps, undefined);
    while (this.step < steps) {
      // Also where a run resumes after its last checkpoint.
      const endedEarly = this.earlyStopping?.reason;
      if (endedEarly !== undefined) {
        observer.progress(this.step, this.step, undefined);
        return { ...(await this.result("done")), endedEarly };
      }
      const verdict = await observer.verdict(this.step);
      if (verdict !== "run") await save(false);
      if (verdict === "stop") return this.result("stopped");
      await this.advance(steps, observer);
      const due = (every: number | undefined) => every !== undefined && this.step % every === 0;
      const last = this.step === steps;
      if (
        validation !== undefined &&
        (due(options.eval_steps) ||
          last ||
          this.blocks?.blockIsOver === true ||
          this.request.evaluateAt?.includes(this.step) === true)
      ) {
        const evaluation = await this.evaluate(observer);
        if (evaluation !== undefined) this.earlyStopping?.judge(this.step, evaluation.loss);
        if (evaluation?.isBest === true) await save(true);
        if (this.earlyStopping?.reason !== undefined && savedAt !== this.step) await save(false);
      }
      if ((due(options.save_steps) || last) && savedAt !== this.step) await save(false);
    }
    return this.result("done");
  }

  private get blocks(): BlockSampler | undefined {
    return this.sampler instanceof BlockSampler ? this.sampler : undefined;
  }

  /** The batches of a step. Their random draws depend only on the seed and the step, so a resumed run draws the same. */
  private drawBatches(sampler: Sampler | BlockSampler, step: number): readonly Batch[] {
    const { options, prepare, seed } = this.request;
    return Array.from({ length: options.gradient_accumulation_steps }, (_, part) => {
      const batch = sampler.next();
      const streamOf = (row: number) =>
        createRandomStream(`masks of step ${step}, batch ${part}, row ${row}`, seed);
      return prepare === undefined ? batch : prepare(batch, streamOf);
    });
  }

  /** One optimizer step over `gradient_accumulation_steps` batches. */
  private async advance(steps: number, observer: TrainingObserver): Promise<void> {
    const { options } = this.request;
    const stepStart = performance.now();
    const step = this.step + 1;
    const samplerBefore = this.sampler.state;
    const every = options.watch?.every;
    const isWatched = every !== undefined && (step % every === 0 || step === steps);
    const stepBatches = { ...this.drawStep(step, observer), isWatched };
    const counted = countBatchLabels(stepBatches.batches);
    if (counted === 0) {
      // Even with a zero gradient, moments, weight decay and bias correction would change the weights, now or later.
      observer.log(`Step ${step} has no labels, so it does not change the weights.`);
      this.step = step;
      this.emptySteps++;
      observer.progress(step, steps, this.secondsLeft(steps));
      return;
    }
    const rate = computeLearningRate(options, step, steps);
    const result = await this.runner.run(step, stepBatches, rate);
    if (isWatched)
      // Before the step may be refused: its record shows which values are not finite.
      observer.watched?.({
        step,
        turn: step / every,
        isLast: step === steps,
        spreads: [...(await this.runner.watch("weights")), ...result.watched],
      });
    const objective = result.reported["train/objective"] ?? result.loss;
    refuseBrokenStep(step, objective, this.runner.trained, result.squares);
    this.step = step;
    this.tokens += counted;
    this.lastLoss = result.loss;
    this.earlyStopping?.add(result.loss);
    this.cumulativeLoss += result.loss;
    if (options.cumulative_loss === "two-batch")
      [this.previous, this.previousSampler] = [stepBatches.batches, samplerBefore];
    if (step % options.logging_steps === 0 || step === steps)
      observer.metrics(step, this.tokens, {
        ...this.metricsOf(result),
        "train/learning_rate": rate,
        "train/tokens_per_second": counted / ((performance.now() - stepStart) / 1000),
      });
    observer.progress(step, steps, this.secondsLeft(steps));
  }

  /** The batches of a step. Between two blocks, the optimizer may be reset before them. */
  private drawStep(step: number, observer: TrainingObserver): Omit<StepBatches, "isWatched"> {
    const { options } = this.request;
    const restarts = options.restart_optimizer && step > 1 && this.blocks?.blockIsOver === true;
    if (restarts) {
      this.runner.restartOptimizer();
      this.emptySteps = 0;
    }
    const batches = this.drawBatches(this.sampler, step);
    const block = this.blocks?.block;
    if (block?.step === 1) observer.log(formatBlock(block, options.sample_with_replacement, restarts));
    return {
      batches,
      again: options.cumulative_loss === "two-batch" ? this.previous : [],
      optimizerStep: (options.restart_optimizer && block !== undefined ? block.step : step) - this.emptySteps,
    };
  }

  private metricsOf({ loss, lossAgain, reported, squares }: StepResult): Record<`train/${string}`, number> {
    const { options } = this.request;
    const cumulative = options.cumulative_loss === "literal" ? this.cumulativeLoss : loss + lossAgain;
    return {
      "train/loss": loss,
      ...reported,
      "train/grad_norm": Math.sqrt(squares.reduce((total, each) => total + each, 0)),
      ...(isCumulative(options) ? { "train/cumulative_loss": cumulative } : {}),
    };
  }

  /** The loss on the validation split, and whether it is the lowest so far; undefined if none could be measured. */
  private async evaluate(
    observer: TrainingObserver,
  ): Promise<{ readonly loss: number; readonly isBest: boolean } | undefined> {
    const { engine, validation, options } = this.request;
    if (validation === undefined || this.runner.programs.evaluation === undefined) return undefined;
    const batches = prepareBatches(
      validation.batches(getBatchSize(options), countEvaluationSequences(options, validation)),
      this.request.prepare,
    );
    const average = options.eval_loss_average;
    const { evaluation } = this.runner.programs;
    const weights = this.runner.weightsOnDevice;
    const { loss, tokens, rewards } =
      this.request.trainee.preference === undefined
        ? { ...(await evaluateLoss(engine, evaluation, weights, batches, average)), rewards: {} }
        : await this.runner.evaluatePairs(evaluation, batches);
    if (tokens === 0) {
      observer.log("Evaluation skipped: the first batches of the validation split have no labels.");
      return undefined;
    }
    if (!Number.isFinite(loss)) refuseBrokenEvaluation(this.step, loss, await this.runner.weights());
    observer.metrics(this.step, this.tokens, { "eval/loss": loss, ...rewards });
    const isBest = this.step > 0 && loss < (this.best?.loss ?? Infinity);
    if (isBest) this.best = { step: this.step, loss };
    return { loss, isBest };
  }

  private async snapshot(): Promise<TrainingSnapshot> {
    return { optimizer: await this.runner.optimizerSlots(), state: this.state() };
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
      ...(this.earlyStopping && { early_stopping: this.earlyStopping.state }),
      ...(this.emptySteps > 0 && { empty_steps: this.emptySteps }),
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
    return { outcome, tensors: await this.runner.weights(), state: this.state(), lastLoss: this.lastLoss };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.runner[Symbol.asyncDispose]();
  }
}

function formatBlock(
  { index, documents, sequences, steps }: BlockPosition,
  replacement: boolean,
  restarted: boolean,
): string {
  const sampling = replacement
    ? ` drawn with replacement, ${formatCount(new Set(documents).size)} of them distinct,`
    : "";
  const again = restarted ? "; the optimizer is reset" : "";
  return `Block ${index + 1}: ${formatCount(documents.length)} documents${sampling} in ${formatCount(sequences)} sequences, ${formatCount(steps)} steps${again}.`;
}

/** The exponential mean of gradients has no separate loss. */
function isCumulative({ cumulative_loss: mode }: TrainOptions): boolean {
  return mode === "literal" || mode === "two-batch";
}
