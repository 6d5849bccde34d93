/**
 * Is a method worth it? Compares every point of every method with dense models of equal stored bits, seed by seed.
 * Between two sizes of the control, its measure is interpolated linearly over the logarithm of the bits.
 */
import type { Paper } from "../../schema/paper";
import { type Estimate, computeEstimate } from "../../statistics/studentT";
import { type Group, type RunFigures, getValue } from "./figures";
import { findBrokenPremise } from "./premises";
import { isHigherBetter, type Outcome, decideOutcome, outcomes } from "./outcome";

export type Control = Paper["controls"][number];

export interface SizedPoint {
  readonly name: string;
  readonly variant: string;
  readonly bits: number;
  readonly own: Estimate;
  /** The value of the dense model with as many bits. */
  readonly control: Estimate;
  readonly difference: Estimate;
  readonly standing: Outcome;
}

export interface SizedComparison {
  readonly rule: Control;
  readonly points: readonly SizedPoint[];
  /** Names of points that are smaller than every control, or larger. */
  readonly outside: readonly string[];
  /** Points that may not be compared with the controls, and why. */
  readonly incomparable: readonly { readonly name: string; readonly reason: string }[];
}

interface Measurement {
  readonly name: string;
  readonly run: RunFigures;
  readonly bits: number;
  readonly value: number;
}

export function compareAtEqualSize(
  { controls, baseline }: Pick<Paper, "controls" | "baseline">,
  groups: readonly Group[],
): SizedComparison[] {
  return controls.flatMap((rule): SizedComparison[] => {
    const isControl = ({ variant }: Group) => variant === rule.variant || variant === baseline;
    const lines = collectControls(groups.filter(isControl), rule.quantity);
    if (lines.size === 0) return [];
    const points = groups
      .filter((group) => !isControl(group))
      .map((group) => comparePoint(rule, group, lines));
    return [
      {
        rule,
        points: points.flatMap(({ point }) => point ?? []),
        outside: points.flatMap(({ outside }) => outside ?? []),
        incomparable: points.flatMap(({ incomparable }) => incomparable ?? []),
      },
    ];
  });
}

/** The controls of each seed, smallest first. */
function collectControls(
  groups: readonly Group[],
  quantity: string,
): ReadonlyMap<number, readonly Measurement[]> {
  const lines = new Map<number, Measurement[]>();
  for (const { name, runs } of groups)
    for (const run of runs) {
      const place = findMeasurement(name, run, quantity);
      if (place !== undefined) lines.set(run.seed, [...(lines.get(run.seed) ?? []), place]);
    }
  for (const line of lines.values()) line.sort((a, b) => a.bits - b.bits);
  return lines;
}

function findMeasurement(name: string, run: RunFigures, quantity: string): Measurement | undefined {
  const [bits, value] = [run.values["parameters/bits"], getValue(run, quantity, undefined)];
  return bits === undefined || value === undefined ? undefined : { name, run, bits, value };
}

function comparePoint(
  rule: Control,
  { name, variant, runs }: Group,
  lines: ReadonlyMap<number, readonly Measurement[]>,
): {
  readonly point?: SizedPoint;
  readonly outside?: string;
  readonly incomparable?: { readonly name: string; readonly reason: string };
} {
  const pairs = runs.flatMap((run) => {
    const [own, line] = [findMeasurement(name, run, rule.quantity), lines.get(run.seed)];
    return own === undefined || line === undefined
      ? []
      : [{ own, line, control: interpolateControl(line, own.bits) }];
  });
  if (pairs.length === 0) return {};
  const [broken] = pairs.flatMap(({ own, line }) =>
    line.flatMap((control) => findBrokenPremise(own, control, rule) ?? []),
  );
  if (broken !== undefined) return { incomparable: { name, reason: broken } };
  const inside = pairs.flatMap(({ own, control }) => (control === undefined ? [] : [{ own, control }]));
  if (inside.length === 0) return { outside: name };
  const difference = computeEstimate(inside.map(({ own, control }) => own.value - control));
  return {
    point: {
      name,
      variant,
      bits: inside[0]!.own.bits,
      own: computeEstimate(inside.map(({ own }) => own.value)),
      control: computeEstimate(inside.map(({ control }) => control)),
      difference,
      standing: decideOutcome(difference, rule),
    },
  };
}

/** Undefined if every control is larger, or every one smaller. */
function interpolateControl(line: readonly Measurement[], bits: number): number | undefined {
  const above = line.findIndex((place) => place.bits >= bits);
  const [low, high] = [line[above - 1], line[above]];
  if (high?.bits === bits) return high.value;
  if (low === undefined || high === undefined) return undefined;
  const share = Math.log(bits / low.bits) / Math.log(high.bits / low.bits);
  return low.value + share * (high.value - low.value);
}

/** One sentence each for the points that are better than, as good as and worse than dense models of their size. */
export function describeSizedComparison({ rule, points, outside, incomparable }: SizedComparison): string[] {
  const { quantity, variant, tolerance } = rule;
  const listNames = (standing: Outcome) =>
    points.filter((point) => point.standing === standing).map(({ name }) => name);
  const words: Readonly<Record<Outcome, string>> = {
    better: "Better than dense models of as many bits",
    "as good": "As good",
    worse: "Worse",
    "not decided": "Not decided",
  };
  const head = `${points.length} points of methods are compared with dense models of as many stored bits by ${quantity} (${isHigherBetter(rule) ? "higher" : "lower"} is better, ${tolerance} counts as equal). The dense models are those of ${variant}, interpolated between their sizes.`;
  const lists = outcomes.flatMap((standing) => {
    const names = listNames(standing);
    if (names.length > 0) return [`${words[standing]} (${names.length}): ${names.join(", ")}.`];
    return standing === "better" ? ["No point is better than a dense model of as many bits."] : [];
  });
  const outsideSentence =
    outside.length === 0 ? [] : [`There is no control of the size of ${outside.join(", ")}.`];
  const excluded = incomparable.map(({ name, reason }) => `${name} is not comparable: ${reason}.`);
  return points.length === 0 && outside.length === 0
    ? excluded
    : [head, ...lists, ...outsideSentence, ...excluded];
}
