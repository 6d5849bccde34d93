/** The pieces that most pictures are made of. */
import type { Face, Label, Stroke } from "./picture";
import type { Point } from "./placeMarks";
import { shortenHeading } from "./shortenHeading";
import type { ChartTheme } from "./theme";

export function createRectangle(x: number, y: number, width: number, height: number, color: string): Face {
  return { points: listCorners(x, y, width, height), color };
}

/** Clockwise, from the top left one. */
export function listCorners(x: number, y: number, width: number, height: number): Point[] {
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}

export function createLine(points: readonly Point[], color: string, width = 1, opacity = 1): Stroke {
  return { pieces: [points], color, opacity, width, dash: [] };
}

/** As much of the title as fits, above the picture. */
export function createHeading(title: string, width: number, theme: ChartTheme): Label {
  const text = shortenHeading(title, width);
  return { x: 0, y: 18, text, color: theme.foreground, anchor: "start", size: 13, bold: true };
}

/** A number or a word beside an axis. */
export function createNote({ x, y }: Point, text: string, anchor: Label["anchor"], theme: ChartTheme): Label {
  return { x, y, text, anchor, color: theme.muted, size: 11 };
}

const legendRow = 18;

/**
 * Where the entries of a legend start, from `left` and `top` on and within `width`, and the y of the last row. An entry takes
 * `room` besides its text.
 */
export function placeLegend(
  names: readonly string[],
  { left, top, width, room }: { left: number; top: number; width: number; room: number },
): { readonly places: readonly Point[]; readonly bottom: number } {
  let [x, y] = [left, top];
  const places = names.map((name) => {
    const entryWidth = room + name.length * 6.4;
    if (x > left && x + entryWidth > width) [x, y] = [left, y + legendRow];
    const place = { x, y };
    x += entryWidth;
    return place;
  });
  return { places, bottom: y };
}
