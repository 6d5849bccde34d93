/** Sentences about the variants of an experiment without published numbers: which is best, and whether the seeds can decide it. */
import { groupByProtocol } from "../../protocol/lossProtocol";
import { formatNumber, pluralize } from "../../protocol/quantities";
import { findGoal } from "../../schema/goal";
import type { Estimate } from "../../statistics/studentT";
import { estimateGroup, type Group } from "../card/figures";

interface Result {
  readonly name: string;
  readonly value: Estimate;
}

/** One for each of the metrics, of those whose direction is known. */
export function concludeVariants(groups: readonly Group[], metrics: readonly string[]): string[] {
  return metrics.flatMap((metric) => concludeMetric(groups, metric));
}

function concludeMetric(groups: readonly Group[], metric: string): string[] {
  const goal = findGoal(metric);
  const measured = groups.flatMap((group) => {
    const value = estimateGroup(group, metric, undefined);
    return value === undefined ? [] : [{ group, value }];
  });
  if (goal === undefined || measured.length === 0) return [];
  const { letters } = groupByProtocol(
    metric,
    measured.map(({ group }) => group.runs.find(({ protocols }) => protocols?.[metric])?.protocols?.[metric]),
  );
  const best = findMostFrequent(letters);
  const comparable = measured.filter((_, i) => letters[i] === best);
  const others = measured.length - comparable.length;
  const sign = goal === "maximize" ? -1 : 1;
  const [first, second] = comparable
    .map(({ group, value }): Result => ({ name: group.name, value }))
    .sort((a, b) => sign * (a.value.mean - b.value.mean));
  const lead = `${goal === "maximize" ? "Highest" : "Lowest"} ${metric}: ${first!.name} with ${formatEstimate(first!.value)}`;
  const left =
    others === 0 ? "" : ` ${pluralize(others, "variant")} measured it in another way and cannot be compared.`;
  if (second === undefined) return [`${lead}.${left}`];
  return [
    `${lead}. Next is ${second.name} with ${formatEstimate(second.value)}; ${compare(first!.value, second.value)}.${left}`,
  ];
}

function compare(a: Estimate, b: Estimate): string {
  if (a.half === undefined || b.half === undefined)
    return "with a single seed, it is not known whether the difference is larger than the spread of the seeds";
  const overlap = Math.abs(a.mean - b.mean) <= a.half + b.half;
  return overlap
    ? "their 95 % intervals overlap, so the seeds do not decide between them"
    : "their 95 % intervals do not overlap";
}

function formatEstimate({ mean, half, count }: Estimate): string {
  const interval = half === undefined ? "" : ` ± ${formatNumber(half, 3)}`;
  return `${formatNumber(mean, 5)}${interval} (${pluralize(count, "seed")})`;
}

function findMostFrequent<T>(values: readonly T[]): T {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, each) => (each[1] > best[1] ? each : best))[0];
}
