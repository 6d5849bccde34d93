/** The swept option of a method that says how much goes: a share from 0 to 1, such as `compress.irc.rate`, or a number, such as `compress.gptq.bits`. */

/** What is swept of a method, whatever it counts. */
export function sweptAmount(
  sweep: Readonly<Record<string, unknown>>,
): { readonly path: string; readonly amount: number } | undefined {
  for (const [path, value] of Object.entries(sweep))
    if (/^compress\..*\.(rate|sparsity|bits|clusters)$/.test(path) && typeof value === "number")
      return { path, amount: value };
  return undefined;
}

/** The same where it is a share. */
export function sweptRate(
  sweep: Readonly<Record<string, unknown>>,
): { readonly path: string; readonly rate: number } | undefined {
  const swept = sweptAmount(sweep);
  if (swept === undefined || !/\.(rate|sparsity)$/.test(swept.path)) return undefined;
  return { path: swept.path, rate: swept.amount };
}
