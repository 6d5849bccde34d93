/** Allocates bits to matrices: the exact optimum within a budget. */

export interface Choice {
  /** Bits of the whole matrix, an integer. */
  readonly bits: number;
  /** Loss of quality. */
  readonly cost: number;
}

interface PartialAllocation {
  readonly bits: number;
  readonly cost: number;
  readonly taken: readonly number[];
}

/**
 * Returns the index of a choice for each matrix with the least total cost within `budget` bits; of equal costs the one with
 * the fewest bits. Undefined if even the smallest choices exceed the budget. Solves a multiple-choice knapsack matrix by matrix,
 * keeping the Pareto front of partial choices, which stays small because a model has few matrix sizes.
 */
export function allocateBits(
  matrices: readonly (readonly Choice[])[],
  budget: number,
): readonly number[] | undefined {
  const fewestAfter = new Array<number>(matrices.length + 1).fill(0);
  for (let i = matrices.length - 1; i >= 0; i--)
    fewestAfter[i] = fewestAfter[i + 1]! + Math.min(...matrices[i]!.map(({ bits }) => bits));
  let front: PartialAllocation[] = [{ bits: 0, cost: 0, taken: [] }];
  for (const [i, choices] of matrices.entries()) {
    const next = front.flatMap(({ bits, cost, taken }) =>
      choices.map((choice, which) => ({
        bits: bits + choice.bits,
        cost: cost + choice.cost,
        taken: [...taken, which],
      })),
    );
    const fitting = next.filter(({ bits }) => bits + fewestAfter[i + 1]! <= budget);
    fitting.sort((a, b) => a.bits - b.bits || a.cost - b.cost);
    front = [];
    for (const each of fitting) if (each.cost < (front.at(-1)?.cost ?? Infinity)) front.push(each);
  }
  return front.at(-1)?.taken;
}
