/**
 * Colors and marks that every eye can distinguish: started from the hues of Okabe and Ito, then moved until the
 * nearest pair was as far apart as possible, including for color-blind eyes, with a contrast of at least 3:1 to the
 * background. A run is identified by color and mark, never by color alone.
 */
export type Ground = "light" | "dark";

/** Outlines around the origin, about one unit from it, in SVG's path language. */
const marks = [
  "M-1,0A1,1 0 1 0 1,0A1,1 0 1 0 -1,0Z", // circle
  "M-.9,-.9H.9V.9H-.9Z", // square
  "M0,-1.15L1.1,.8H-1.1Z", // triangle
  "M0,-1.25L1.25,0L0,1.25L-1.25,0Z", // diamond
  "M0,1.15L1.1,-.8H-1.1Z", // inverted triangle
  "M-.35,-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1V-.35H-.35Z", // plus
  "M0,-1.2L1.14,-.37L.71,.97H-.71L-1.14,-.37Z", // pentagon
] as const;

const colors: Palette = {
  light: ["#002dcc", "#eb6c00", "#00a77a", "#bc26b4", "#098eff", "#a90c15", "#405e69", "#451a00"],
  dark: ["#3ac2ff", "#e7652c", "#22a377", "#c36bc6", "#cbba00", "#4a71ff", "#ffcbd5", "#feff7c"],
};

export type Palette = Readonly<Record<Ground, readonly string[]>>;

/**
 * Palettes that people know from elsewhere, by the value of the setting. Where a color has too little contrast to the
 * background, it is darker here.
 */
export const palettes: Readonly<Record<string, Palette>> = {
  default: colors,
  "okabe-ito": {
    light: ["#0072b2", "#c38600", "#009e73", "#cc79a7", "#499bc9", "#d55e00", "#9d9528", "#000000"],
    dark: ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#ffffff"],
  },
  tableau: {
    light: [
      ...["#4e79a7", "#d67d25", "#59a14f", "#e15759", "#659d99"],
      ...["#b07aa1", "#ab9132", "#9c755f", "#cc7d85"],
    ],
    dark: [
      ...["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2"],
      ...["#b07aa1", "#edc948", "#9c755f", "#ff9da7"],
    ],
  },
};

/** A person's own colors, as `#rrggbb`; anything else is left out. Undefined if none remains. */
export function createPalette(own: readonly unknown[]): Palette | undefined {
  const valid = own.filter((each): each is string => typeof each === "string" && /^#[\da-f]{6}$/i.test(each));
  if (valid.length === 0) return undefined;
  const { length } = valid;
  // As many colors as marks, or a multiple, would give each color one mark only: each round begins one color later.
  const used =
    length % marks.length === 0
      ? Array.from({ length: length * marks.length }, (_, i) => valid[(i + Math.floor(i / length)) % length]!)
      : valid;
  return { light: used, dark: used };
}

export interface ColorTheme {
  readonly ground: Ground;
  /** The colors of runs; the usual ones when left out. */
  readonly colors?: readonly string[] | undefined;
}

/** The slot of a line that belongs to no run: gray, without marks. */
export const referenceSlot = -1;

/** A run keeps its slot, a small number, while it is shown. */
export function getColor(slot: number, { ground, colors: chosen }: ColorTheme): string {
  if (slot === referenceSlot) return ground === "light" ? "#6a6a6a" : "#a0a0a0";
  const palette = chosen ?? colors[ground];
  return palette[slot % palette.length]!;
}

/** Seven marks with eight colors: 56 runs before a pair repeats. */
export function getMark(slot: number): string {
  return slot === referenceSlot ? "" : marks[slot % marks.length]!;
}

export const colorCount = colors.light.length;

/** Lengths of strokes and gaps, by the index of a metric among those that share a chart. */
const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

export function getDash(metricIndex: number): readonly number[] {
  return dashes[metricIndex % dashes.length]!;
}

/** Assigns the first free slots to runs without one, so that others keep theirs. */
export function assignSlots(
  runs: readonly string[],
  previous: ReadonlyMap<string, number>,
): Map<string, number> {
  const slots = new Map<string, number>();
  for (const run of runs) if (previous.has(run)) slots.set(run, previous.get(run)!);
  const usedSlots = new Set(slots.values());
  let next = 0;
  for (const run of runs) {
    if (slots.has(run)) continue;
    while (usedSlots.has(next)) next++;
    usedSlots.add(next);
    slots.set(run, next);
  }
  return slots;
}
