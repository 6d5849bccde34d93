/** Positions and labels of grid lines: round numbers, also for times and logarithmic axes. */
import type { Scale } from "chart.js";
import type { View } from "../kit/drawing";
import { scaleLabel, tickLabel, timeStep } from "../kit/figures";

interface TickStyle {
  readonly color: string;
  readonly padding: number;
  readonly font: { readonly family: string; readonly size: number };
  readonly maxRotation: number;
  readonly autoSkipPadding: number;
}

export function horizontalTicks(view: View, style: TickStyle) {
  return {
    ticks: {
      ...style,
      includeBounds: false,
      callback: (value: string | number) => tickLabel(view.axis, Number(value)),
    },
    afterBuildTicks: (scale: Scale) => {
      const { min, max } = scale;
      if (view.logX) scale.ticks = roundTicks(scale.ticks, min, max, Math.max(3, scale.width / 90));
      else {
        const most = scale.width / 90;
        const clock = view.axis === "seconds" ? timeStep(max - min, most) : undefined;
        const step = clock ?? roundStep(max - min, most);
        // There is no half step, and no half token.
        scale.ticks = multiples(min, max, view.axis === "seconds" ? step : Math.max(1, step));
      }
    },
  };
}

export function verticalTicks(view: View, style: TickStyle) {
  return {
    ticks: {
      ...style,
      maxTicksLimit: 7,
      callback: (value: string | number) => scaleLabel(Number(value)),
    },
    afterBuildTicks: (scale: Scale) => {
      if (view.logY)
        scale.ticks = roundTicks(scale.ticks, scale.min, scale.max, Math.max(3, scale.height / 32));
    },
  };
}

/** The least of 1, 2 and 5 times a power of ten of which `most` fit. */
function roundStep(range: number, most: number): number {
  const least = Math.max(range, Number.MIN_VALUE) / Math.max(1, most);
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least) ?? 10);
}

function multiples(min: number, max: number, step: number): { value: number }[] {
  const ticks: { value: number }[] = [];
  const first = Math.ceil(min / step - 1e-9);
  // Counted, since sums of steps would drift away from round numbers.
  for (let i = first; i * step <= max + step * 1e-9; i++) ticks.push({ value: i * step });
  return ticks;
}

/** As many of a logarithmic axis as fit: all, or 1-2-5 of each power, or powers alone. */
function roundTicks(
  ticks: readonly { value: number }[],
  min: number,
  max: number,
  most: number,
): { value: number }[] {
  const inside = ticks.filter(({ value }) => value >= min && value <= max);
  const leading = ({ value }: { value: number }) =>
    Number((value / 10 ** Math.floor(Math.log10(value) + 1e-9)).toPrecision(6));
  for (const wanted of [undefined, [1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]]) {
    const some = wanted === undefined ? inside : inside.filter((tick) => wanted.includes(leading(tick)));
    if (some.length <= most) return some;
  }
  const powers = inside.filter((tick) => leading(tick) === 1);
  const every = Math.ceil(powers.length / most);
  return powers.filter((_, i) => i % every === 0);
}
