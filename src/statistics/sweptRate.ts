/**
 * The swept option of a method that determines how much is removed: a share from 0 to 1, such as `compress.irc.rate`,
 * or a number, such as `compress.gptq.bits`.
 */

type Sweep = Readonly<Record<string, unknown>>;

interface Swept {
  readonly path: string;
  readonly value: number;
}

/** A swept share. */
export function sweptRate(sweep: Sweep): Swept | undefined {
  return sweptNumber(sweep, /^compress\..*\.(rate|sparsity)$/);
}

/** A swept share or count. */
export function sweptAmount(sweep: Sweep): Swept | undefined {
  return sweptRate(sweep) ?? sweptNumber(sweep, /^compress\..*\.(bits|clusters)$/);
}

function sweptNumber(sweep: Sweep, pattern: RegExp): Swept | undefined {
  for (const [path, value] of Object.entries(sweep))
    if (pattern.test(path) && typeof value === "number") return { path, value };
  return undefined;
}
