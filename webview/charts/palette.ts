/**
 * Colours and marks that stay apart for every eye: the eight hues of Okabe and Ito, made darker for a light ground and
 * brighter for a dark one, so that each keeps 3:1 against it. A run is known by colour and mark, never by colour alone.
 */
export type Ground = "light" | "dark";

const colors: Readonly<Record<Ground, readonly string[]>> = {
  light: ["#0067a5", "#c44601", "#00794f", "#b0397c", "#a87400", "#2690c8", "#5c5c00", "#3d3d3d"],
  dark: ["#56b4e9", "#ff8a3d", "#1fc798", "#e58fc0", "#f0c419", "#4f8ff0", "#f4f1a1", "#d0d0d0"],
};

/** Outlines around the origin, about one unit from it, in the path language of SVG. */
const marks = [
  "M-1,0A1,1 0 1 0 1,0A1,1 0 1 0 -1,0Z", // circle
  "M-.9,-.9H.9V.9H-.9Z", // square
  "M0,-1.15L1.1,.8H-1.1Z", // triangle
  "M0,-1.25L1.25,0L0,1.25L-1.25,0Z", // diamond
  "M0,1.15L1.1,-.8H-1.1Z", // triangle upside down
  "M-.35,-1.1H.35V-.35H1.1V.35H.35V1.1H-.35V.35H-1.1V-.35H-.35Z", // plus
  "M0,-1.2L1.14,-.37L.71,.97H-.71L-1.14,-.37Z", // pentagon
] as const;

/** A run keeps its slot, a small number, while it is shown. */
export function colorOf(slot: number, ground: Ground): string {
  const all = colors[ground];
  return all[slot % all.length]!;
}

/** Seven marks beside eight colours: 56 runs before a pair repeats. */
export function markOf(slot: number): string {
  return marks[slot % marks.length]!;
}

export const colorCount = colors.light.length;

/** Lengths of strokes and gaps by the place of a metric among those that share a chart. */
const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

export function dashOf(place: number): readonly number[] {
  return dashes[place % dashes.length]!;
}

/** The first free slots for runs that have none, so that those shown before keep theirs. */
export function assignSlots(
  runs: readonly string[],
  before: ReadonlyMap<string, number>,
): Map<string, number> {
  const slots = new Map<string, number>();
  for (const run of runs) if (before.has(run)) slots.set(run, before.get(run)!);
  const taken = new Set(slots.values());
  let next = 0;
  for (const run of runs) {
    if (slots.has(run)) continue;
    while (taken.has(next)) next++;
    taken.add(next);
    slots.set(run, next);
  }
  return slots;
}
