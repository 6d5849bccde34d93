/** What the workspace and its settings decide for all pages: held once for each page, as the host last reported it. */
import type { Unsubscribe } from "../../src/protocol/connection";
import type { SharedLook } from "../../src/protocol/page";
import { createPalette, type Ground, palettes } from "../../src/pictures/palette";

/** Smoothed a little, with the true points behind: a curve of many steps is read by its course. */
const usualSmoothing = 0.3;

let current: SharedLook = {};
const listeners = new Set<() => void>();

export function applyLook(look: SharedLook): void {
  current = look;
  for (const listener of listeners) listener();
}

export function onLookChange(listener: () => void): Unsubscribe {
  listeners.add(listener);
  return { dispose: () => listeners.delete(listener) };
}

/** Undefined for the usual ones. */
export function getRunColors(ground: Ground): readonly string[] | undefined {
  const palette = createPalette(current.colors ?? []) ?? palettes[current.palette ?? ""];
  return palette?.[ground];
}

/** Of a chart whose smoothing nobody has set. */
export function getUsualSmoothing(): number {
  return current.smoothing ?? usualSmoothing;
}
