/**
 * What in the metrics of a run a person should hear about: pure detectors that are fed one line after the other. Each is
 * made so that the ordinary noise of a falling loss never sets it off.
 */
import type { MetricLine } from "../../../protocol/run";
import type { Alert } from "../../../protocol/service/runs";
import { metricsOf } from "../../runs/metrics/metricLine";

export type Finding = Pick<Alert, "kind" | "message">;

/** One of them a training: a later one begins with another loss, which is no spike of the one before. */
export class LossWatch {
  private readonly spikes = new SpikeDetector();
  private readonly plateau = new PlateauDetector();

  add(line: MetricLine): readonly Finding[] {
    const found: Finding[] = [];
    const broken = metricsOf(line).find(
      ([name, value]) => /^(train|eval)\//.test(name) && !Number.isFinite(value),
    );
    if (broken !== undefined)
      found.push({ kind: "not-a-number", message: `${broken[0]} is not a number at step ${line.step}.` });
    const { "train/loss": trained, "eval/loss": evaluated } = line;
    const usual = trained === undefined ? undefined : this.spikes.add(trained);
    if (usual !== undefined)
      found.push({
        kind: "spike",
        message: `train/loss has jumped to ${shown(trained!)} at step ${line.step}, where ${shown(usual)} was usual.`,
      });
    const best = evaluated === undefined ? undefined : this.plateau.add(line.step, evaluated);
    if (best !== undefined)
      found.push({
        kind: "plateau",
        message: `eval/loss has not improved since step ${best.step}, in ${patience} evaluations; the best is ${shown(best.loss)}.`,
      });
    return found;
  }
}

const windowLength = 64;
/** Values before anything is judged: a loss moves most while the learning rate warms up. */
const warmUp = 32;
const deviations = 6;
/** A smaller jump than this share of the usual loss is not worth a word, however quiet the curve was. */
const leastShare = 0.1;
/** One value alone may be one odd batch. */
const inARow = 2;

/** Beyond the highest value of late, measured from the usual one: odd batches of one kind are of about one height. */
const beyond = 1.5;

/** A jump: values far above the median for what its deviation is, and beyond whatever else was seen of late. */
export class SpikeDetector {
  private readonly window: number[] = [];
  private held: number[] = [];

  /** The usual value, once a jump is certain. */
  add(loss: number): number | undefined {
    if (!Number.isFinite(loss)) return undefined;
    const usual = this.window.length < warmUp ? undefined : this.usualBelow(loss);
    // Held back until it is clear what they are, else the second would be measured against the first.
    this.held.push(loss);
    if (usual !== undefined && this.held.length < inARow) return undefined;
    this.window.push(...this.held);
    this.held = [];
    this.window.splice(0, this.window.length - windowLength);
    return usual;
  }

  private usualBelow(loss: number): number | undefined {
    const usual = median(this.window);
    // 1.4826 times the median distance is the standard deviation of a normal distribution, outliers or not.
    const deviation = 1.4826 * median(this.window.map((value) => Math.abs(value - usual)));
    const jump = Math.max(
      deviations * deviation,
      leastShare * Math.abs(usual),
      beyond * (Math.max(...this.window) - usual),
    );
    return loss > usual + jump ? usual : undefined;
  }
}

/** Evaluations in a row without an improvement. */
export const patience = 10;
/** What counts as an improvement, as a share; smaller steps count together. */
const improvement = 5e-4;

export class PlateauDetector {
  private reference: { readonly step: number; readonly loss: number } | undefined;
  private without = 0;

  /** The best evaluation, once as many others as patience lasts were no better. */
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

/** Bytes that have to be free: room for two more checkpoints with optimizer state, and a gibibyte at least. */
export function neededBytes(trainable: number | undefined): number {
  const checkpoint = (trainable ?? 0) * 3 * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(2 ** 30, 2 * checkpoint);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function shown(value: number): string {
  return String(Number(value.toPrecision(4)));
}
