/** Whether two models differ on the same documents: McNemar's test for answers, the paired bootstrap for any numbers. */
import { computeMean, type Interval, resampleIntervals } from "./resampling";

/** Bootstrap resamples where nobody asks for another number. */
export const defaultResamples = 1000;

export interface McNemar {
  /** Documents that only the first, and only the second, has right. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Two-sided p-value of the exact test (McNemar 1947): how likely a binomial with p = ½ is at least as uneven. */
  readonly p: number;
}

/** `first[i]` and `second[i]` are 1 where the model has document i right, else 0. */
export function compareAnswers(first: readonly number[], second: readonly number[]): McNemar {
  refuseUnpaired(first, second);
  const onlyFirst = first.filter((value, i) => value === 1 && second[i] === 0).length;
  const onlySecond = first.filter((value, i) => value === 0 && second[i] === 1).length;
  return {
    onlyFirst,
    onlySecond,
    p: computeSignTest(Math.min(onlyFirst, onlySecond), onlyFirst + onlySecond),
  };
}

/** Twice the probability of at most `few` successes of `count` fair trials, at most 1. */
function computeSignTest(few: number, count: number): number {
  // Sums exp(log C(count, k) - count log 2), which does not underflow for thousands of documents.
  let logTerm = -count * Math.LN2;
  let total = 0;
  for (let k = 0; k <= few; k++) {
    total += Math.exp(logTerm);
    logTerm += Math.log((count - k) / (k + 1));
  }
  return Math.min(1, 2 * total);
}

export interface PairedDifference {
  /** Mean of second - first. */
  readonly difference: number;
  /** 95 % percentile interval over resampled documents; undefined without resamples. */
  readonly interval: Interval | undefined;
}

/** The paired bootstrap (Efron and Tibshirani 1993): documents are resampled together with both of their values. */
export function comparePaired(
  first: readonly number[],
  second: readonly number[],
  options: { readonly resamples: number; readonly seed: number },
): PairedDifference {
  refuseUnpaired(first, second);
  const differences = second.map((value, i) => value - first[i]!);
  const intervals = resampleIntervals(differences.length, options, (indices) => ({
    difference: computeMean(indices.map((i) => differences[i]!)),
  }));
  return { difference: computeMean(differences), interval: intervals?.difference };
}

function refuseUnpaired(first: readonly number[], second: readonly number[]): void {
  if (first.length !== second.length || first.length === 0)
    throw new Error(
      `A paired comparison needs equal numbers of values, not ${first.length} and ${second.length}.`,
    );
}
