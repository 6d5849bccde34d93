/**
 * Compares published numbers with those of the runs, by rules: what may be compared at all, and what counts as
 * reproduced.
 */
import { findExtremes } from "../../statistics/extremes";
import type { Paper, Quantity } from "../../schema/paper";
import { type Group, estimateGroup } from "./figures";
import type { Estimate } from "../../statistics/studentT";

export type Published = Paper["published"][number];

export interface Verdict {
  readonly kind: "reproduced" | "not reproduced" | "not comparable";
  readonly reason?: string;
}

export interface CardRow {
  readonly published: Published;
  /** The group that was compared, otherwise the published variant's name. */
  readonly name: string;
  readonly reproduced: Estimate | undefined;
  /** Reproduced minus published, if the two may be compared. */
  readonly gap: number | undefined;
  readonly verdict: Verdict;
}

export function createCardRows(paper: Paper, groups: readonly Group[]): CardRow[] {
  const baseline = groups.find(({ variant }) => variant === paper.baseline);
  return paper.published.flatMap((published): CardRow[] => {
    // A number that names no variant applies to all of them.
    const matching = groups.filter(
      ({ name, variant }) => published.variant === undefined || [name, variant].includes(published.variant),
    );
    const name = published.variant ?? "every variant";
    if (matching.length === 0) return [createCardRow(published, name, undefined, { paper, baseline })];
    return matching.map((group) => createCardRow(published, group.name, group, { paper, baseline }));
  });
}

interface CardContext {
  readonly paper: Paper;
  readonly baseline: Group | undefined;
}

function createCardRow(
  published: Published,
  name: string,
  group: Group | undefined,
  context: CardContext,
): CardRow {
  const reproduced = estimateGroup(group, published.quantity, context.baseline, published.roles);
  const reason = reasonNotComparable(published.quantity, group, reproduced, context.paper);
  if (reason !== undefined || reproduced === undefined)
    return {
      published,
      name,
      reproduced,
      gap: undefined,
      verdict: { kind: "not comparable", reason: reason! },
    };
  const gap = reproduced.mean - published.value;
  return { published, name, reproduced, gap, verdict: judge(gap, published.tolerance, reproduced) };
}

/** Tolerance for rounding in numbers with few decimals. */
const rounding = 1e-9;
/** Share of the published tokens; the last batch of a text may be left out. */
const minTokenShare = 0.99;

function judge(gap: number, tolerance: number, { mean, half }: Estimate): Verdict {
  if (Math.abs(gap) <= tolerance + rounding * Math.abs(mean)) return { kind: "reproduced" };
  return half !== undefined && half > 0 && Math.abs(gap) <= half
    ? { kind: "not reproduced", reason: "but within the interval of the seeds" }
    : { kind: "not reproduced" };
}

/** Why a number may not be compared with the published one; undefined if it may. */
function reasonNotComparable(
  quantity: Quantity,
  group: Group | undefined,
  reproduced: Estimate | undefined,
  { scale, tokens }: Paper,
): string | undefined {
  const [run] = group?.runs ?? [];
  if (run === undefined) return "no finished run";
  // Percentages of a baseline hold at any scale; the resources of a method depend on sizes.
  const holdsAnywhere = quantity.endsWith("_percent") && quantity !== "parameters/removed_percent";
  if (scale !== undefined && run.scale !== scale && !holdsAnywhere)
    return `scale ${run.scale ?? "of the cells"}, published at ${scale}`;
  if (quantity.startsWith("parameters/")) return reproduced === undefined ? "not counted" : undefined;
  if (run.tokens === undefined) return "no finished run";
  const least = findExtremes(group!.runs.map((each) => each.tokens ?? 0)).min;
  if (tokens !== undefined && least < minTokenShare * tokens)
    return `trained on ${((100 * least) / tokens).toPrecision(2)} % of the published tokens`;
  return reproduced === undefined ? "not measured" : undefined;
}
