/**
 * Which tokens of an answer other models would have written with another probability. The change of a token is
 * ln q − ln p, where p is its probability by the model that wrote it and q that by another model, both after the same tokens
 * and at temperature 1. Of several other models, the one with the largest change counts.
 */

/** Natural logarithms of probabilities by token; null where a model gives none. */
export type LogProbabilities = readonly (number | null)[];

/** A token is marked from a change by the first factor on; each further factor is a level more. */
export const changeFactors = [2, 4, 16] as const;
export type ChangeLevel = 1 | 2 | 3;

export interface TokenChange {
  /** Index of the other model. */
  readonly other: number;
  /** ln q − ln p; negative where the other model finds the token less likely. */
  readonly change: number;
  /** Undefined for a change by less than the first factor. */
  readonly level: ChangeLevel | undefined;
}

/** Undefined where no two models give the token a probability. */
export function findChange(
  own: number | null | undefined,
  others: readonly (number | null | undefined)[],
): TokenChange | undefined {
  if (own === null || own === undefined) return undefined;
  let largest: TokenChange | undefined;
  for (const [other, value] of others.entries()) {
    if (value === null || value === undefined) continue;
    const change = value - own;
    if (largest === undefined || Math.abs(change) > Math.abs(largest.change))
      largest = { other, change, level: getLevel(change) };
  }
  return largest;
}

function getLevel(change: number): ChangeLevel | undefined {
  // A factor that is met exactly counts, whatever the rounding of its logarithm.
  const count = changeFactors.filter((factor) => Math.abs(change) >= Math.log(factor) - 1e-9).length;
  return count === 0 ? undefined : (count as ChangeLevel);
}

/** exp(−mean of the logarithms); null if there are none. */
export function computePerplexity(scores: LogProbabilities): number | null {
  const known = scores.filter((score): score is number => score !== null);
  if (known.length === 0) return null;
  return Math.exp(-known.reduce((sum, score) => sum + score, 0) / known.length);
}
