/** The swept option of a method that says how much goes, as `compress.irc.rate` or `compress.fpp.sparsity`: a share from 0 to 1. */
export function sweptRate(
  sweep: Readonly<Record<string, unknown>>,
): { readonly path: string; readonly rate: number } | undefined {
  for (const [path, value] of Object.entries(sweep))
    if (/^compress\..*\.(rate|sparsity)$/.test(path) && typeof value === "number")
      return { path, rate: value };
  return undefined;
}
