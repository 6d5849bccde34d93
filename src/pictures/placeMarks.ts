/** The positions of marks along a line in pixels, and their size. */

export const markSize = 3.2;
/** Pixels between two marks of a line. */
const markSpacing = 280;

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The positions of marks on a line given in pixels: at its end, and along it at places that differ by slot. */
export function placeMarks(points: readonly Point[], slot: number): Point[] {
  const visible = points.filter(({ x, y }) => !Number.isNaN(x) && !Number.isNaN(y));
  const last = visible.at(-1);
  if (last === undefined) return [];
  const places: Point[] = [];
  let next = visible[0]!.x + 60 + ((slot * 67) % markSpacing);
  for (const point of visible) {
    if (point.x < next || last.x - point.x < 24) continue;
    places.push(point);
    next = point.x + markSpacing;
  }
  return [...places, last];
}
