/** Which of several matrices gets how many bits: the cheapest choice within a budget, exactly. */

export interface Choice {
  /** Bits of the whole matrix, a whole number. */
  readonly bits: number;
  /** What it costs in quality. */
  readonly cost: number;
}

interface Partial {
  readonly bits: number;
  readonly cost: number;
  readonly taken: readonly number[];
}

/**
 * The index of a choice for each matrix, with the least total cost among those of at most `budget` bits; of equal ones that of
 * the fewest bits. Undefined where even the smallest do not fit. Matrix by matrix, keeping what no other partial choice beats in
 * both: a multiple-choice knapsack, whose sums are few because matrices of a model are of few sizes.
 */
export function allocate(
  matrices: readonly (readonly Choice[])[],
  budget: number,
): readonly number[] | undefined {
  const fewestAfter = new Array<number>(matrices.length + 1).fill(0);
  for (let i = matrices.length - 1; i >= 0; i--)
    fewestAfter[i] = fewestAfter[i + 1]! + Math.min(...matrices[i]!.map(({ bits }) => bits));
  let front: Partial[] = [{ bits: 0, cost: 0, taken: [] }];
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
