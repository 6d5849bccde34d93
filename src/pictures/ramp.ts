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
