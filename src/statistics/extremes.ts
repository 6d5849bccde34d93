/** The lowest and the highest of any number of values; `Math.min(...values)` overflows the stack from about 100,000 on. */
export function findExtremes(values: Iterable<number>): { readonly min: number; readonly max: number } {
  let [min, max] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return { min, max };
}
