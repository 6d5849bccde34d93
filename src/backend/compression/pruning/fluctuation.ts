/** Scores of heads and channels by how much their activations vary (FLAP, An et al., AAAI 2024). */
import type { UnitGroup } from "./structured";

export interface Moments {
  readonly mean: Float64Array;
  readonly variance: Float64Array;
}

/** From sums and sums of squares over `count` tokens. */
export function computeMoments({ sums, squares, count }: Readonly<Record<string, Float64Array>>): Moments {
  const mean = sums!.map((each) => each / count![0]!);
  return { mean, variance: squares!.map((each, i) => Math.max(0, each / count![0]! - mean[i]! ** 2)) };
}

export interface ScoreOptions {
  /** Variance of an input times its squared weights, or its squared weights only. */
  readonly metric: "fluctuation" | "magnitude";
  /** What is scaled in each group: the scores of units, or those of inputs before the mean of a unit. */
  readonly standardize: "units" | "inputs";
}

/**
 * Scores each unit by the mean over its inputs. Scores are standardized per group to make groups comparable, before the mean
 * or after it. A unit whose weights are all zero is removed first.
 */
export function scoreUnits(
  { units, consumer, kind }: Pick<UnitGroup, "units" | "consumer" | "kind">,
  weights: ArrayLike<number>,
  { variance }: Moments,
  { metric, standardize }: ScoreOptions,
): Float64Array {
  const { inputs, outputs } = consumer.content.matrix;
  const squares = new Float64Array(inputs);
  for (let input = 0; input < inputs; input++)
    for (let output = 0; output < outputs; output++)
      squares[input]! += weights[input * outputs + output]! ** 2;
  const raw = squares.map((each, input) => (metric === "fluctuation" ? variance[input]! * each : each));
  const scores =
    standardize === "units"
      ? scaleToUnitVariance(averageByUnit(raw, units), 0)
      : averageByUnit(scaleToUnitVariance(kind === "heads" ? raw.map((each) => each ** 2) : raw, 1), units);
  const sizes = averageByUnit(squares, units);
  return scores.map((each, unit) => (sizes[unit] === 0 ? -Infinity : each));
}

function averageByUnit(scores: Float64Array, units: number): Float64Array {
  const means = new Float64Array(units);
  const perUnit = scores.length / units;
  scores.forEach((each, input) => (means[Math.floor(input / perUnit)]! += each / perUnit));
  return means;
}

/** `lostDegrees` is 1 for the estimate of a variance from a sample, as in the authors' code. */
function scaleToUnitVariance(scores: Float64Array, lostDegrees: 0 | 1): Float64Array {
  const mean = scores.reduce((total, each) => total + each, 0) / scores.length;
  const sum = scores.reduce((total, each) => total + (each - mean) ** 2, 0);
  const spread = Math.sqrt(sum / (scores.length - lostDegrees));
  return scores.map((each) => (spread > 0 ? (each - mean) / spread : 0));
}
