/**
 * Detects in a run's metrics what a person should know: pure detectors that are fed one line at a time. The ordinary
 * noise of a falling loss must not trigger them.
 */
import type { MetricLine } from "../../../protocol/run";
import type { Alert } from "../../../protocol/service/runs";
import { listMetrics } from "../../runs/metrics/metricLine";

export type Finding = Pick<Alert, "kind" | "message">;

/** One per training step: a later step begins at another loss, which is not a spike of the previous one. */
export class LossWatch {
  private readonly spikes = new SpikeDetector();
  private readonly plateau = new PlateauDetector();
  private readonly overfitting = new OverfittingDetector();

  add(line: MetricLine): readonly Finding[] {
    const findings: Finding[] = [];
    const broken = listMetrics(line).find(
      ([name, value]) => /^(train|eval)\//.test(name) && !Number.isFinite(value),
    );
    if (broken !== undefined)
      findings.push({ kind: "not-a-number", message: `${broken[0]} is not a number at step ${line.step}.` });
    const { "train/loss": trained, "eval/loss": evaluated } = line;
    const typical = trained === undefined ? undefined : this.spikes.add(trained);
    if (typical !== undefined)
      findings.push({
        kind: "spike",
        message: `train/loss has jumped to ${formatLoss(trained!)} at step ${line.step}, where ${formatLoss(typical)} was usual.`,
      });
    if (trained !== undefined) this.overfitting.addTraining(trained);
    const overfit =
      evaluated === undefined ? undefined : this.overfitting.addEvaluation(line.step, evaluated);
    if (overfit !== undefined)
      findings.push({
        kind: "overfitting",
        message: `The model is overfitting: eval/loss has risen from ${formatLoss(overfit.best.loss)} at step ${overfit.best.step} to ${formatLoss(evaluated!)} at step ${line.step}, while train/loss fell from ${formatLoss(overfit.best.trained)} to ${formatLoss(overfit.trained)}. Use more text, a smaller model or fewer steps.`,
      });
    const best = evaluated === undefined ? undefined : this.plateau.add(line.step, evaluated);
    // Of an overfitting model it is known already.
    if (best !== undefined && this.overfitting.isCertain) return findings;
    if (best !== undefined)
      findings.push({
        kind: "plateau",
        message: `eval/loss has not improved since step ${best.step}, in ${patience} evaluations; the best is ${formatLoss(best.loss)}.`,
      });
    return findings;
  }
}

const windowLength = 64;
/** Values to collect before judging: the loss moves most while the learning rate warms up. */
const warmUp = 32;
const deviations = 6;
/** A jump below this share of the usual loss is not reported, however quiet the curve was. */
const minJumpShare = 0.1;
/** A single value may come from one odd batch. */
const minConsecutive = 2;

/**
 * Factor over the highest recent value, measured from the usual one: odd batches of one kind have about the same
 * height.
 */
const rangeFactor = 1.5;

/** A jump: values far above the median in terms of the deviation, and above every other recent value. */
export class SpikeDetector {
  private readonly window: number[] = [];
  private held: number[] = [];

  /** Returns the usual value once a jump is certain. */
  add(loss: number): number | undefined {
    if (!Number.isFinite(loss)) return undefined;
    const typical = this.window.length < warmUp ? undefined : this.findTypicalBelow(loss);
    // Held back until they are classified; otherwise the second would be measured against the first.
    this.held.push(loss);
    if (typical !== undefined && this.held.length < minConsecutive) return undefined;
    this.window.push(...this.held);
    this.held = [];
    this.window.splice(0, this.window.length - windowLength);
    return typical;
  }

  private findTypicalBelow(loss: number): number | undefined {
    const typical = median(this.window);
    // For a normal distribution, 1.4826 times the median absolute deviation is the standard deviation, regardless of
    // outliers.
    const deviation = 1.4826 * median(this.window.map((value) => Math.abs(value - typical)));
    const jump = Math.max(
      deviations * deviation,
      minJumpShare * Math.abs(typical),
      rangeFactor * (Math.max(...this.window) - typical),
    );
    return loss > typical + jump ? typical : undefined;
  }
}

/** Consecutive evaluations without an improvement. */
export const patience = 10;
/** The relative decrease that counts as an improvement; smaller ones accumulate. */
const improvement = 5e-4;

export class PlateauDetector {
  private reference: { readonly step: number; readonly loss: number } | undefined;
  private without = 0;

  /** Returns the best evaluation once `patience` later ones were not better. */
  add(step: number, loss: number): { readonly step: number; readonly loss: number } | undefined {
    if (!Number.isFinite(loss)) return undefined;
    const { reference } = this;
    if (reference === undefined || loss < reference.loss - improvement * Math.abs(reference.loss)) {
      this.reference = { step, loss };
      this.without = 0;
      return undefined;
    }
    return ++this.without === patience ? reference : undefined;
  }
}

/** Evaluations in a row that must be worse than the best. */
export const overfittingPatience = 3;
/** By how much, relatively, the loss of evaluations must have risen and that of training fallen. */
const overfittingShare = 0.02;

interface EvaluationPoint {
  readonly step: number;
  readonly loss: number;
  /** Mean of the training losses since the previous evaluation. */
  readonly trained: number;
}

/** Evaluations that rise from their best while the training loss falls: the model memorizes its text. */
export class OverfittingDetector {
  private sum = 0;
  private count = 0;
  private best: EvaluationPoint | undefined;
  private worse = 0;

  /** Whether it has been reported. */
  isCertain = false;

  addTraining(loss: number): void {
    if (!Number.isFinite(loss)) return;
    this.sum += loss;
    this.count++;
  }

  /** Returns the best evaluation and the current training loss once overfitting is certain. */
  addEvaluation(
    step: number,
    loss: number,
  ): { readonly best: EvaluationPoint; readonly trained: number } | undefined {
    const trained = this.sum / this.count;
    [this.sum, this.count] = [0, 0];
    if (!Number.isFinite(loss) || !Number.isFinite(trained)) return undefined;
    const { best } = this;
    if (best === undefined || loss < best.loss) {
      this.best = { step, loss, trained };
      this.worse = 0;
      return undefined;
    }
    const isWorse =
      loss > best.loss + overfittingShare * Math.abs(best.loss) &&
      trained < best.trained - overfittingShare * Math.abs(best.trained);
    this.worse = isWorse ? this.worse + 1 : 0;
    if (this.worse !== overfittingPatience) return undefined;
    this.isCertain = true;
    return { best, trained };
  }
}

/** Bytes that must be free: room for two more checkpoints with optimizer state, and at least one gibibyte. */
export function computeNeededBytes(trainable: number | undefined): number {
  const checkpoint = (trainable ?? 0) * 3 * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(2 ** 30, 2 * checkpoint);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function formatLoss(value: number): string {
  return String(Number(value.toPrecision(4)));
}
