/** Classification scores from a confusion matrix, as defined by scikit-learn: a score with a zero denominator is 0. */
import { type Interval, resampleIntervals } from "../../statistics/resampling";

export interface ClassScores {
  readonly accuracy: number;
  /** Score of the positive class, or the mean over all classes if there is none. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly f1_macro: number;
  /** Mean over the classes, weighted by their number of examples. */
  readonly precision_weighted: number;
  readonly recall_weighted: number;
  readonly f1_weighted: number;
  /** Correlation of true and predicted classes (Matthews 1975; for more than two classes Gorodkin 2004). */
  readonly matthews: number;
  /** Mean of −log p of the true class, nats. */
  readonly loss: number;
  /** Classes that were never predicted; their precision counts as 0. */
  readonly undefined_scores: readonly number[];
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** `confusion[truth][answer]` contains counts, `losses` the loss of each example. */
export function computeScores(
  confusion: readonly (readonly number[])[],
  positive: number | undefined,
  losses: readonly number[],
): ClassScores {
  const support = confusion.map(sum);
  const predictedCounts = confusion.map((_, answer) => sum(confusion.map((row) => row[answer]!)));
  const all = sum(support);
  const right = confusion.map((row, i) => row[i]!);
  const precisions = right.map((each, i) => ratio(each, predictedCounts[i]!));
  const recalls = right.map((each, i) => ratio(each, support[i]!));
  const f1s = right.map((each, i) => ratio(2 * each, predictedCounts[i]! + support[i]!));
  const mean = (each: readonly number[]) => sum(each) / each.length;
  const weighted = (each: readonly number[]) => ratio(sum(each.map((score, i) => score * support[i]!)), all);
  const of = (each: readonly number[]) => (positive === undefined ? mean(each) : each[positive]!);
  return {
    accuracy: ratio(sum(right), all),
    precision: of(precisions),
    recall: of(recalls),
    f1: of(f1s),
    f1_macro: mean(f1s),
    precision_weighted: weighted(precisions),
    recall_weighted: weighted(recalls),
    f1_weighted: weighted(f1s),
    matthews: matthews(confusion),
    loss: mean(losses),
    undefined_scores: predictedCounts.flatMap((each, i) => (each === 0 && support[i]! > 0 ? [i] : [])),
  };
}

/** (c·s − Σ t_k·p_k) / √((s² − Σ p_k²)(s² − Σ t_k²)), with c correct of s examples, and t_k true and p_k predicted examples of class k. */
function matthews(confusion: readonly (readonly number[])[]): number {
  const truths = confusion.map(sum);
  const predictedCounts = confusion.map((_, answer) => sum(confusion.map((row) => row[answer]!)));
  const all = sum(truths);
  const right = sum(confusion.map((row, i) => row[i]!));
  const product = (a: readonly number[], b: readonly number[]) => sum(a.map((each, i) => each * b[i]!));
  return ratio(
    right * all - product(truths, predictedCounts),
    Math.sqrt(
      (all * all - product(predictedCounts, predictedCounts)) * (all * all - product(truths, truths)),
    ),
  );
}

/** 95 % percentile intervals over the examples. */
export function bootstrap(
  truths: readonly number[],
  predictions: readonly number[],
  {
    classes,
    positive,
    ...draws
  }: { classes: number; positive: number | undefined; resamples: number; seed: number },
): Readonly<Record<string, Interval>> {
  const intervals = resampleIntervals(truths.length, draws, (indices) => {
    const confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
    for (const at of indices) confusion[truths[at]!]![predictions[at]!]!++;
    const { accuracy, f1, f1_macro, matthews: correlation } = computeScores(confusion, positive, [0]);
    return { accuracy, f1, f1_macro, matthews: correlation };
  });
  return intervals ?? {};
}
