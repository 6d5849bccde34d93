/** Correlations of two lists of numbers. */

/** Pearson's r; null if it is undefined because a list is constant. */
export function pearson(a: readonly number[], b: readonly number[]): number | null {
  if ([a, b].some((list) => list.every((each) => each === list[0]))) return null;
  const [x, y] = [center(a), center(b)];
  const r = dot(x, y) / (Math.sqrt(dot(x, x)) * Math.sqrt(dot(y, y)));
  return Math.max(-1, Math.min(1, r));
}

/** Ranks from 1; equal numbers have the mean of their ranks, as in Spearman's correlation. */
export function computeAverageRanks(numbers: readonly number[]): number[] {
  const order = numbers.map((_, i) => i).sort((a, b) => numbers[a]! - numbers[b]!);
  const ranks = new Array<number>(numbers.length);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && numbers[order[end]!] === numbers[order[start]!]) end++;
    for (let i = start; i < end; i++) ranks[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return ranks;
}

function center(numbers: readonly number[]): number[] {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  return numbers.map((each) => each - mean);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, each, i) => sum + each * b[i]!, 0);
}

/** Spearman's ρ: Pearson's r of the ranks. */
export function spearman(a: readonly number[], b: readonly number[]): number | null {
  return pearson(computeAverageRanks(a), computeAverageRanks(b));
}

/**
 * The correlation ratio η of numbers in categories, from 0 to 1: η² is the share of their variance that is between
 * the categories. Null if all numbers are equal.
 */
export function computeCorrelationRatio(
  categories: readonly string[],
  numbers: readonly number[],
): number | null {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const total = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  if (!(total > 0)) return null;
  const sums = new Map<string, { sum: number; count: number }>();
  categories.forEach((category, i) => {
    const { sum, count } = sums.get(category) ?? { sum: 0, count: 0 };
    sums.set(category, { sum: sum + numbers[i]!, count: count + 1 });
  });
  const between = [...sums.values()].reduce(
    (sum, each) => sum + each.count * (each.sum / each.count - mean) ** 2,
    0,
  );
  return Math.min(1, Math.sqrt(between / total));
}
