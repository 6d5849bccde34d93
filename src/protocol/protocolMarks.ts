/**
 * Marks on losses that are shown together and may not be compared: a letter for each way of measuring, the same on every
 * page that knows the same runs, and what it means.
 */
import { compareText } from "./compareText";
import {
  describeDifference,
  describeProtocol,
  getProtocolKey,
  isSameProtocol,
  type LossProtocol,
  toLetter,
} from "./lossProtocol";
import { compareNewestFirst } from "./run";
import type { RunSummary } from "./service/runs";

export type MeasuredRun = Pick<RunSummary, "id" | "createdAt" | "metrics" | "losses">;

export interface ProtocolMark {
  readonly letter: string;
  /** What the letter means, and how the others differ. */
  readonly title: string;
}

/** More would fill a tooltip. */
const maxOthers = 4;

interface Group {
  readonly letter: string;
  readonly protocol: LossProtocol;
}

export class ProtocolMarks {
  /** By metric, of those with several protocols among the shown runs. */
  private readonly groups = new Map<string, ReadonlyMap<string, Group>>();
  private readonly titles = new Map<string, string>();

  /** Letters are given over `all`, the oldest first, so that a filter or an order changes none of them. */
  constructor(all: () => readonly MeasuredRun[], shown: readonly MeasuredRun[] = all()) {
    let sorted: readonly MeasuredRun[] | undefined;
    for (const metric of new Set(shown.flatMap(({ losses = {} }) => Object.keys(losses)))) {
      const shownGroups = collectProtocols(shown, metric);
      if (shownGroups.size < 2) continue;
      sorted ??= [...all()].sort((a, b) => compareNewestFirst(b, a));
      const keys = [...collectProtocols(sorted, metric).keys()];
      this.groups.set(
        metric,
        new Map(
          [...shownGroups].map(([key, protocol]) => [key, { letter: toLetter(keys.indexOf(key)), protocol }]),
        ),
      );
    }
  }

  /** Metrics whose values may not all be compared. */
  get metrics(): readonly string[] {
    return [...this.groups.keys()].sort();
  }

  has(metric: string): boolean {
    return this.groups.has(metric);
  }

  /** Undefined where all that is shown was measured alike, and where it is not known how. */
  get(run: Pick<RunSummary, "losses" | "metrics">, metric: string): ProtocolMark | undefined {
    return this.find(metric, getProtocol(run, metric));
  }

  find(metric: string, protocol: LossProtocol | undefined): ProtocolMark | undefined {
    const key = protocol && getProtocolKey(protocol);
    const group = key === undefined ? undefined : this.groups.get(metric)?.get(key);
    if (group === undefined) return undefined;
    const { letter } = group;
    let title = this.titles.get(`${metric} ${key}`);
    if (title === undefined) this.titles.set(`${metric} ${key}`, (title = this.describe(metric, group)));
    return { letter, title };
  }

  /** Values that may be compared are side by side in this order; those that are not known to be are last. */
  compare(
    a: Pick<RunSummary, "losses" | "metrics">,
    b: Pick<RunSummary, "losses" | "metrics">,
    metric: string,
  ): number {
    if (!this.groups.has(metric)) return 0;
    const [first, second] = [this.get(a, metric), this.get(b, metric)];
    if (first === undefined || second === undefined)
      return Number(first === undefined) - Number(second === undefined);
    return compareLetters(first, second);
  }

  /** Below a chart or a table: what the letters of a metric mean. */
  explain(metric: string): string | undefined {
    const groups = [...(this.groups.get(metric)?.values() ?? [])].sort(compareLetters);
    const [first, ...others] = groups;
    if (first === undefined) return undefined;
    const lines = others
      .slice(0, maxOthers)
      .map(({ letter, protocol }) => `${letter}: ${describeDifference(protocol, first.protocol)}`);
    const more = others.length > maxOthers ? [`and ${others.length - maxOthers} more`] : [];
    return `${metric} was measured in ${groups.length} ways that are not comparable. ${[`${first.letter}: ${describeProtocol(first.protocol)}`, ...lines, ...more].join(". ")}.`;
  }

  private describe(metric: string, { letter, protocol }: Group): string {
    const others = [...this.groups.get(metric)!.values()]
      .filter((other) => other.letter !== letter)
      .sort(compareLetters);
    const more = others.length > maxOthers ? [`and ${others.length - maxOthers} more`] : [];
    return [
      `${letter}: ${describeProtocol(protocol)}`,
      ...others
        .slice(0, maxOthers)
        .map(
          (other) => `Not comparable with ${other.letter}: ${describeDifference(protocol, other.protocol)}`,
        ),
      ...more,
    ].join("\n");
  }
}

/** Undefined where the run has no such value, or did not record how it was measured. */
export function getProtocol(
  { losses, metrics }: Pick<RunSummary, "losses" | "metrics">,
  metric: string,
): LossProtocol | undefined {
  return metrics[metric] === undefined ? undefined : losses?.[metric];
}

/** Whether a mean or a difference of the values means anything. */
export function areComparable(
  runs: readonly Pick<RunSummary, "losses" | "metrics">[],
  metric: string,
): boolean {
  const protocols = runs.flatMap((run) => getProtocol(run, metric) ?? []);
  return protocols.every((protocol) => isSameProtocol(protocol, protocols[0]));
}

function collectProtocols(runs: readonly MeasuredRun[], metric: string): Map<string, LossProtocol> {
  const protocols = new Map<string, LossProtocol>();
  for (const run of runs) {
    const protocol = getProtocol(run, metric);
    if (protocol !== undefined && !protocols.has(getProtocolKey(protocol)))
      protocols.set(getProtocolKey(protocol), protocol);
  }
  return protocols;
}

function compareLetters(a: Pick<Group, "letter">, b: Pick<Group, "letter">): number {
  return a.letter.length - b.letter.length || compareText(a.letter, b.letter);
}
