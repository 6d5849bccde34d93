/**
 * Colors for signed values: blue below zero, orange above, the background's neutral at zero, at equal distance on
 * both sides. Blue and orange are distinct for every common kind of color blindness, and lightness alone shows the
 * magnitude.
 */
import type { Ground } from "./palette";

type Color = readonly [number, number, number];

const ramps: Readonly<
  Record<Ground, { readonly low: readonly Color[]; readonly zero: Color; readonly high: readonly Color[] }>
> = {
  light: {
    low: [
      [5, 48, 97],
      [67, 147, 195],
      [190, 220, 236],
    ],
    zero: [250, 250, 250],
    high: [
      [254, 217, 166],
      [230, 130, 40],
      [127, 59, 8],
    ],
  },
  dark: {
    low: [
      [180, 225, 255],
      [56, 140, 215],
      [28, 62, 100],
    ],
    zero: [34, 34, 34],
    high: [
      [100, 56, 16],
      [225, 125, 30],
      [255, 226, 170],
    ],
  },
};

/** `share` is from −1 to 1. A value that is not a number is transparent. */
export function getRampColor(share: number, ground: Ground): readonly [number, number, number, number] {
  if (Number.isNaN(share)) return [0, 0, 0, 0];
  const { low, zero, high } = ramps[ground];
  const stops = [...low, zero, ...high];
  const position = ((Math.max(-1, Math.min(1, share)) + 1) / 2) * (stops.length - 1);
  const from = Math.min(stops.length - 2, Math.floor(position));
  const fraction = position - from;
  const [a, b] = [stops[from]!, stops[from + 1]!];
  const mixChannel = (i: 0 | 1 | 2) => Math.round(a[i] + (b[i] - a[i]) * fraction);
  return [mixChannel(0), mixChannel(1), mixChannel(2), 255];
}

export function createGradient(ground: Ground): string {
  const { low, zero, high } = ramps[ground];
  return `linear-gradient(to right, ${[...low, zero, ...high].map((each) => `rgb(${each.join(",")})`).join(", ")})`;
}

/**
 * Colors for a metric from its lowest to its highest value, along the hues of plasma (Smith and van der Walt 2015): lightness
 * alone orders them, and each has a contrast of at least 3:1 to the background, because they color thin lines.
 */
const scales: Readonly<Record<Ground, readonly Color[]>> = {
  light: [
    [13, 8, 135],
    [126, 3, 168],
    [190, 45, 125],
    [214, 86, 52],
  ],
  dark: [
    [112, 96, 245],
    [222, 96, 170],
    [250, 156, 70],
    [245, 250, 130],
  ],
};

/** `share` is from 0, the lowest value, to 1. */
export function getScaleColor(share: number, ground: Ground): string {
  const stops = scales[ground];
  const position = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const from = Math.min(stops.length - 2, Math.floor(position));
  const [a, b] = [stops[from]!, stops[from + 1]!];
  const toHex = (i: 0 | 1 | 2) =>
    Math.round(a[i] + (b[i] - a[i]) * (position - from))
      .toString(16)
      .padStart(2, "0");
  return `#${toHex(0)}${toHex(1)}${toHex(2)}`;
}
