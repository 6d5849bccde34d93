/** Positions and labels of grid lines: round numbers, also for times and logarithmic axes. */
import type { Scale } from "chart.js";
import type { View } from "../kit/drawing";
import { formatScaleLabel, formatTickLabel, chooseTimeStep } from "../kit/figures";

interface TickStyle {
  readonly color: string;
  readonly padding: number;
  readonly font: { readonly family: string; readonly size: number };
  readonly maxRotation: number;
  readonly autoSkipPadding: number;
}

export function createHorizontalTicks(view: View, style: TickStyle) {
  return {
    ticks: {
      ...style,
      includeBounds: false,
      callback: (value: string | number) => formatTickLabel(view.axis, Number(value)),
    },
    afterBuildTicks: (scale: Scale) => {
      const { min, max } = scale;
      if (view.logX) scale.ticks = selectRoundTicks(scale.ticks, min, max, Math.max(3, scale.width / 90));
      else {
        const maxTicks = scale.width / 90;
        const clockStep = view.axis === "seconds" ? chooseTimeStep(max - min, maxTicks) : undefined;
        const step = clockStep ?? computeRoundStep(max - min, maxTicks);
        // There is no half step, and no half token.
        scale.ticks = createMultiples(min, max, view.axis === "seconds" ? step : Math.max(1, step));
      }
    },
  };
}

export function createVerticalTicks(view: View, style: TickStyle) {
  return {
    ticks: {
      ...style,
      maxTicksLimit: 7,
      callback: (value: string | number) => formatScaleLabel(Number(value)),
    },
    afterBuildTicks: (scale: Scale) => {
      if (view.logY)
        scale.ticks = selectRoundTicks(scale.ticks, scale.min, scale.max, Math.max(3, scale.height / 32));
    },
  };
}

/** The least of 1, 2 and 5 times a power of ten of which `maxTicks` fit. */
function computeRoundStep(range: number, maxTicks: number): number {
  const minStep = Math.max(range, Number.MIN_VALUE) / Math.max(1, maxTicks);
  const power = 10 ** Math.floor(Math.log10(minStep));
  return power * ([1, 2, 5].find((factor) => factor * power >= minStep) ?? 10);
}

function createMultiples(min: number, max: number, step: number): { value: number }[] {
  const ticks: { value: number }[] = [];
  const first = Math.ceil(min / step - 1e-9);
  // Counted, since sums of steps would drift away from round numbers.
  for (let i = first; i * step <= max + step * 1e-9; i++) ticks.push({ value: i * step });
  return ticks;
}

/** As many of a logarithmic axis as fit: all, or 1-2-5 of each power, or powers alone. */
function selectRoundTicks(
  ticks: readonly { value: number }[],
  min: number,
  max: number,
  maxTicks: number,
): { value: number }[] {
  const visible = ticks.filter(({ value }) => value >= min && value <= max);
  const getLeadingDigit = ({ value }: { value: number }) =>
    Number((value / 10 ** Math.floor(Math.log10(value) + 1e-9)).toPrecision(6));
  for (const digits of [undefined, [1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]]) {
    const selected =
      digits === undefined ? visible : visible.filter((tick) => digits.includes(getLeadingDigit(tick)));
    if (selected.length <= maxTicks) return selected;
  }
  const powers = visible.filter((tick) => getLeadingDigit(tick) === 1);
  const interval = Math.ceil(powers.length / maxTicks);
  return powers.filter((_, i) => i % interval === 0);
}
