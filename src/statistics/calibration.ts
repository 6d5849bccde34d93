/** How far the confidence of predictions is from how often they are right. */

/** Predictions whose confidence is in (i / bins, (i + 1) / bins]. */
export interface CalibrationBin {
  readonly count: number;
  /** Mean over the predictions; 0 in an empty bin. */
  readonly confidence: number;
  /** Share of right predictions; 0 in an empty bin. */
  readonly accuracy: number;
}

export interface Calibration {
  /** Expected calibration error: the mean of |accuracy − confidence| over the bins, weighted by their predictions. */
  readonly ece: number;
  /** Maximum calibration error: the largest |accuracy − confidence| of a bin. */
  readonly mce: number;
  readonly bins: readonly CalibrationBin[];
}

/**
 * Guo et al. 2017 (On Calibration of Modern Neural Networks, arXiv 1706.04599, section 2), with `bins` bins of equal width.
 * `confidences` are probabilities of the predicted classes, `rights` whether each is the true one.
 */
export function computeCalibration(
  confidences: ArrayLike<number>,
  rights: ArrayLike<boolean>,
  bins: number,
): Calibration {
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (let i = 0; i < confidences.length; i++) {
    const bin = sums[Math.min(bins, Math.max(1, Math.ceil(confidences[i]! * bins))) - 1]!;
    bin.count++;
    bin.confidence += confidences[i]!;
    bin.right += Number(rights[i]!);
  }
  const means = sums.map(({ count, confidence, right }) => ({
    count,
    confidence: count === 0 ? 0 : confidence / count,
    accuracy: count === 0 ? 0 : right / count,
  }));
  const gaps = means.map(({ confidence, accuracy }) => Math.abs(accuracy - confidence));
  return {
    ece: gaps.reduce((sum, gap, i) => sum + (gap * means[i]!.count) / confidences.length, 0),
    mce: Math.max(...gaps),
    bins: means,
  };
}
