/** Chooses the tokens of a prompt that stay in the cache. */
import type { ChosenPolicy } from "./compactCache";
import type { Protected, Range } from "./policy";

/**
 * The positions to keep in each key-value head of a layer and text, in order: all if the prompt has no more than `budget`
 * tokens, otherwise exactly `budget`. `heads` has `length` scores of each head, which are ignored by a policy without scores;
 * `seed` is that of the text.
 */
export function choosePrompt(
  { policy, options }: ChosenPolicy,
  { sinks, recent }: Protected,
  budget: number,
  length: number,
  heads: readonly Float32Array[],
  seed: number,
): Int32Array[] {
  if (length <= budget) return heads.map(() => Int32Array.from({ length }, (_, position) => position));
  const range: Range = { from: Math.min(sinks, length), to: Math.max(sinks, length - recent) };
  const count = budget - sinks - recent;
  const smooth = heads.map((scores) => policy.smooth?.(scores, range, options) ?? scores);
  const choices =
    policy.choose?.({ heads: smooth, seed }, range, count, options) ??
    smooth.map((scores) => findHighest(scores, range, count));
  return choices.map((positions) => {
    const chosen = new Set(positions);
    for (let position = 0; position < range.from; position++) chosen.add(position);
    for (let position = range.to; position < length; position++) chosen.add(position);
    return Int32Array.from(chosen).sort();
  });
}

/** The positions of the highest scores of a range; of equal ones, the earliest. */
export function findHighest(scores: Float32Array, { from, to }: Range, count: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i)
    .sort((a, b) => scores[b]! - scores[a]! || a - b)
    .slice(0, count);
}
