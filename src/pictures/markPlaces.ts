/** The positions of marks along a line in pixels, and their size. */

export const markSize = 3.2;
/** Pixels between two marks of a line. */
const apart = 280;

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** The positions of marks on a line given in pixels: at its end, and along it at places that differ by slot. */
export function markPlaces(points: readonly Place[], slot: number): Place[] {
  const visible = points.filter(({ x, y }) => !Number.isNaN(x) && !Number.isNaN(y));
  const last = visible.at(-1);
  if (last === undefined) return [];
  const places: Place[] = [];
  let next = visible[0]!.x + 60 + ((slot * 67) % apart);
  for (const point of visible) {
    if (point.x < next || last.x - point.x < 24) continue;
    places.push(point);
    next = point.x + apart;
  }
  return [...places, last];
}
