/** Why a run was pruned, in words. */
import { formatNumber } from "./quantities";
import type { Pruning } from "./run";

/** `eval loss` for `eval/loss`. */
export function nameMetric(metric: string): string {
  return metric.replace("/", " ");
}

/** `pruned at step 90 of 810: eval loss 3.21, rung needed ≤ 2.95` */
export function describePruning({ step, steps, metric, value, needed }: Pruning): string {
  const loss = value === null ? "is not finite" : formatNumber(value);
  const limit = needed === null ? "" : `, rung needed ≤ ${formatNumber(needed)}`;
  return `pruned at step ${step} of ${steps}: ${nameMetric(metric)} ${loss}${limit}`;
}
