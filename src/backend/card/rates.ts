/** The rate at which a method breaks: every point of a swept rate against the baseline, seed by seed. */
import type { Paper } from "../../schema/paper";
import type { Estimate } from "../../statistics/studentT";
import { answerQuestion } from "./answers";
import type { Group } from "./figures";
import { isHigherBetter, type Outcome, decideOutcome, outcomes } from "./outcome";

export type RateRule = Paper["rates"][number];

export interface RatePoint {
  readonly rate: number;
  /** The method minus the baseline. */
  readonly difference: Estimate;
  readonly verdict: Outcome;
}

export interface RateLine {
  readonly rule: RateRule;
  readonly variant: string;
  readonly baseline: string;
  /** Smallest rate first. */
  readonly points: readonly RatePoint[];
  /** Rates whose runs may not be compared with the baseline, and why. */
  readonly incomparable: readonly { readonly rate: number; readonly reason: string }[];
}

export function createRateLines({ rates, baseline }: Paper, groups: readonly Group[]): RateLine[] {
  const dense = groups.find(({ variant }) => variant === baseline);
  if (dense === undefined) return [];
  const swept = groups.filter(({ runs }) => runs[0]?.rate !== undefined);
  const variants = [...new Set(swept.map(({ variant }) => variant))];
  return rates.flatMap((rule) =>
    variants.flatMap((variant): RateLine[] => {
      const results = swept
        .filter((group) => group.variant === variant)
        .flatMap((group) => createRatePoint(rule, group, dense) ?? [])
        .sort((a, b) => a.rate - b.rate);
      const points = results.flatMap((each) => ("reason" in each ? [] : [each]));
      const incomparable = results.flatMap((each) => ("reason" in each ? [each] : []));
      return results.length === 0 ? [] : [{ rule, variant, baseline: dense.name, points, incomparable }];
    }),
  );
}

function createRatePoint(
  rule: RateRule,
  group: Group,
  dense: Group,
): RatePoint | { readonly rate: number; readonly reason: string } | undefined {
  const question = { question: "", variant: group.name, against: dense.name, ...rule };
  const { answer, difference, reason = "" } = answerQuestion(question, [group, dense]);
  if (answer === "not comparable") return { rate: group.runs[0]!.rate!, reason };
  if (difference === undefined) return undefined;
  const verdict = decideOutcome(difference, rule);
  return { rate: group.runs[0]!.rate!, difference, verdict };
}

/** One sentence per line: where the method is better, as good and worse, and the rate from which it breaks. */
export function describeRateLine({ rule, variant, baseline, points, incomparable }: RateLine): string {
  const at = (verdict: Outcome) =>
    points.filter((point) => point.verdict === verdict).map(({ rate }) => String(rate));
  const parts = outcomes.flatMap((verdict) => {
    const rates = at(verdict);
    if (rates.length > 0) return [`${verdict} at ${rates.join(", ")}`];
    return verdict === "better" ? ["better at no rate"] : [];
  });
  const [broken] = at("worse");
  const excluded = incomparable.map(({ rate, reason }) => ` Not comparable at ${rate}: ${reason}.`).join("");
  if (points.length === 0) return `${variant} against ${baseline}, ${rule.quantity}:${excluded}`;
  const end =
    broken === undefined
      ? `No rate up to ${points.at(-1)!.rate} is found to break it.`
      : `It breaks at ${broken}.`;
  return `${variant} against ${baseline}, ${rule.quantity} (${isHigherBetter(rule) ? "higher" : "lower"} is better, ${rule.tolerance} counts as equal): ${parts.join("; ")}. ${end}${excluded}`;
}
