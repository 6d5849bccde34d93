/**
 * The swept option that determines how much is removed: a share from 0 to 1, such as `compress.irc.rate`, a number, such as
 * `compress.gptq.bits`, the budget of a cache policy, or the threshold of exits.
 */

type Sweep = Readonly<Record<string, unknown>>;

interface SweptValue {
  readonly path: string;
  readonly value: number;
}

/** A swept share. */
export function findSweptRate(sweep: Sweep): SweptValue | undefined {
  return findSweptNumber(sweep, /^compress\..*\.(rate|sparsity)$/);
}

/** A swept share or count. */
export function findSweptAmount(sweep: Sweep): SweptValue | undefined {
  return (
    findSweptRate(sweep) ??
    findSweptNumber(
      sweep,
      /^compress\..*\.(bits|clusters)$|^evaluate\..*\bcache\..*\.budget$|^evaluate\..*\bexits\.thresholds?$/,
    )
  );
}

function findSweptNumber(sweep: Sweep, pattern: RegExp): SweptValue | undefined {
  for (const [path, value] of Object.entries(sweep))
    if (pattern.test(path) && typeof value === "number") return { path, value };
  return undefined;
}
