/** The scale of an axis whose values may be numbers or categories, and which some runs may lack. */
import { formatNumber, formatShortCount } from "../protocol/quantities";
import { findExtremes } from "../statistics/extremes";
import { computeLinearTicks } from "./axisTicks";

/** Undefined if a run has no value. */
export type AxisValue = number | string | undefined;

export interface AxisTick {
  /** From 0, the start of the axis, to 1. */
  readonly share: number;
  readonly text: string;
}

export interface AxisScale {
  readonly kind: "linear" | "logarithmic" | "categories";
  /** Also of a missing value, which has a place of its own before all others. */
  readonly toShare: (value: AxisValue) => number;
  /** The number at a place of a numeric axis. */
  readonly toNumber: (share: number) => number;
  readonly ticks: readonly AxisTick[];
  /** All numbers, in order, or all categories. */
  readonly domain: readonly (number | string)[];
  /** Where the place of missing values ends; 0 if no value is missing. */
  readonly start: number;
}

export interface AxisScaleOptions {
  /** Undefined chooses: logarithmic if positive numbers span more than a decade and a half. */
  readonly logarithmic?: boolean | undefined;
  readonly maxTicks: number;
}

/** Numbers with no more different values than that are labeled with these values. */
const maxNamedValues = 6;
const decadesOfLogarithm = 1.5;
const placeOfMissing = 0.1;

export function createAxisScale(
  values: readonly AxisValue[],
  { logarithmic, maxTicks }: AxisScaleOptions,
): AxisScale {
  const start = values.some((value) => value === undefined) ? placeOfMissing : 0;
  const known = values.filter((value) => value !== undefined);
  const scale = known.some((value) => typeof value === "string")
    ? createCategories([...new Set(known.map(String))].sort(compareNaturally), start)
    : createNumbers(known as number[], start, logarithmic, maxTicks);
  if (start === 0) return scale;
  return { ...scale, ticks: [{ share: 0, text: "none" }, ...scale.ticks] };
}

/** Whether numbers can be shown on a logarithmic axis at all. */
export function canBeLogarithmic(values: readonly AxisValue[]): boolean {
  return values.every((value) => value === undefined || (typeof value === "number" && value > 0));
}

function createCategories(domain: readonly string[], start: number): AxisScale {
  const place = (index: number) =>
    start + (domain.length === 1 ? 0.5 : (index + 0.25) / (domain.length - 0.5)) * (1 - start);
  return {
    kind: "categories",
    toShare: (value) => (value === undefined ? 0 : place(domain.indexOf(String(value)))),
    toNumber: () => NaN,
    ticks: domain.map((text, index) => ({ share: place(index), text })),
    domain,
    start,
  };
}

function createNumbers(
  numbers: readonly number[],
  start: number,
  wanted: boolean | undefined,
  maxTicks: number,
): AxisScale {
  const { min, max } = findExtremes(numbers.length === 0 ? [0, 1] : numbers);
  const isLogarithmic =
    min > 0 && canBeLogarithmic(numbers) && (wanted ?? Math.log10(max / min) > decadesOfLogarithm);
  const bend = isLogarithmic ? Math.log10 : (value: number) => value;
  // A single value is in the middle.
  const [from, to] = min === max ? [bend(min) - 0.5, bend(max) + 0.5] : [bend(min), bend(max)];
  const toShare = (value: number) => start + ((bend(value) - from) / (to - from)) * (1 - start);
  const domain = [...new Set(numbers)].sort((a, b) => a - b);
  const marked =
    domain.length <= Math.min(maxNamedValues, maxTicks)
      ? domain
      : isLogarithmic
        ? listLogarithmicTicks(min, max, maxTicks)
        : computeLinearTicks(min, max, maxTicks);
  return {
    kind: isLogarithmic ? "logarithmic" : "linear",
    toShare: (value) => (typeof value === "number" ? toShare(value) : 0),
    toNumber: (share) => {
      const bent = from + ((share - start) / (1 - start)) * (to - from);
      return isLogarithmic ? 10 ** bent : bent;
    },
    ticks: marked.map((value) => ({ share: toShare(value), text: formatTick(value) })),
    domain,
    start,
  };
}

/** 1, 2 and 5 of each decade, or fewer. */
function listLogarithmicTicks(min: number, max: number, maxTicks: number): number[] {
  const [first, last] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))];
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = powers
      .flatMap((power) => factors.map((factor) => Number(`${factor}e${power}`)))
      .filter((tick) => tick >= min * 0.999 && tick <= max * 1.001);
    if (ticks.length <= maxTicks && ticks.length > 1) return ticks;
  }
  const interval = Math.ceil(powers.length / maxTicks);
  const ticks = powers.filter((_, i) => i % interval === 0).map((power) => Number(`1e${power}`));
  const inside = ticks.filter((tick) => tick >= min && tick <= max);
  return inside.length > 1 ? inside : [min, max];
}

export function formatTick(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude >= 10_000) return formatShortCount(value);
  // Without zeros at the end: 3e−4.
  if (magnitude > 0 && magnitude < 1e-3)
    return Number(value.toPrecision(3)).toExponential().replaceAll("-", "−");
  return formatNumber(value, 3);
}

const collator = new Intl.Collator("en", { numeric: true });

function compareNaturally(a: string, b: string): number {
  return collator.compare(a, b);
}
