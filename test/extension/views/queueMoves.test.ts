import { expect, test } from "vitest";
import {
  computeDroppedOrder,
  computeMoves,
  type QueueMove,
} from "../../../src/extension/views/runTree/queueMoves";

/** Moves like the service: each device has its own queue. */
function moved(order: readonly string[], moves: readonly QueueMove[]): string[] {
  return moves.reduce<string[]>(
    (queue, { run, to }) => {
      const rest = queue.filter((each) => each !== run);
      return to === "first" ? [run, ...rest] : [...rest, run];
    },
    [...order],
  );
}

function permutations(items: readonly string[]): string[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    permutations(items.filter((each) => each !== item)).map((rest) => [item, ...rest]),
  );
}

test("the two moves of the service can create every order from every other", () => {
  const before = ["a", "b", "c", "d", "e"];
  for (const after of permutations(before)) {
    const moves = computeMoves(before, after);
    expect(moved(before, moves)).toEqual(after);
    expect(moves.length).toBeLessThan(before.length);
  }
});

test("nothing is moved if nothing changes, and moving one run to either end is one move", () => {
  const order = ["a", "b", "c", "d"];
  expect(computeMoves(order, order)).toEqual([]);
  expect(computeMoves(order, ["d", "a", "b", "c"])).toEqual([{ run: "d", to: "first" }]);
  expect(computeMoves(order, ["b", "c", "d", "a"])).toEqual([{ run: "a", to: "last" }]);
  expect(computeMoves([], [])).toEqual([]);
});

test.each([
  [["d"], "a", "d a b c"],
  [["a"], "c", "b c a d"],
  [["c"], "b", "a c b d"],
  [["a", "d"], "b", "b a d c"],
  [["d", "c"], "a", "c d a b"],
  [["a"], undefined, "b c d a"],
  [["b"], "b", "a b c d"],
  [["gone"], "b", "a b c d"],
  [["a"], "gone", "b c d a"],
])("%j dropped on %s gives %s", (dragged, target, order) => {
  expect(computeDroppedOrder(["a", "b", "c", "d"], dragged, target).join(" ")).toBe(order);
});
