/**
 * Produces any order of queued runs from the two moves that the service has. The list contains the queued runs of all
 * devices; each move is among those of the same device.
 */

export interface QueueMove {
  readonly run: string;
  readonly to: "first" | "last";
}

/** The order after `dragged` is dropped on `target`: it takes the target's place, or the last one without a target. */
export function computeDroppedOrder(
  order: readonly string[],
  dragged: readonly string[],
  target: string | undefined,
): readonly string[] {
  const moved = order.filter((run) => dragged.includes(run));
  if (target !== undefined && moved.includes(target)) return order;
  const remaining = order.filter((run) => !moved.includes(run));
  if (target === undefined || !remaining.includes(target)) return [...remaining, ...moved];
  const isDown = moved.length > 0 && order.indexOf(moved[0]!) < order.indexOf(target);
  const at = remaining.indexOf(target) + (isDown ? 1 : 0);
  return [...remaining.slice(0, at), ...moved, ...remaining.slice(at)];
}

/** Few moves that turn one order into the other: all to the front or all to the back, whichever needs fewer. */
export function computeMoves(before: readonly string[], after: readonly string[]): readonly QueueMove[] {
  const toFront = after
    .slice(0, after.length - countKeptHead(before.toReversed(), after.toReversed()))
    .reverse();
  const toBack = after.slice(countKeptHead(before, after));
  return toFront.length < toBack.length
    ? toFront.map((run) => ({ run, to: "first" }))
    : toBack.map((run) => ({ run, to: "last" }));
}

/** How many at the head of `after` are in that order already, whatever is between them. */
function countKeptHead(before: readonly string[], after: readonly string[]): number {
  let count = 0;
  for (const run of before) if (run === after[count]) count++;
  return count;
}
