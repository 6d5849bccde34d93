/** Chooses the weights to drop when a share of the positive and a share of the negative ones is removed: the smallest or the largest of each sign. */
import { findLowest } from "./smallest";

export interface DropRule {
  /** Shares of the positive and of the negative weights. */
  readonly positive: number;
  readonly negative: number;
  readonly select: "smallest" | "largest";
  /** The counts to which the shares refer; the remaining weights if undefined. */
  readonly original?: { readonly positive: number; readonly negative: number } | undefined;
  /** Upper bound on the number of dropped weights, divided between the signs in proportion. */
  readonly most: number;
}

/** Counts the remaining weights of each sign; zeros count as positive. */
export function countSigns(values: Float32Array, left: Uint8Array): { positive: number; negative: number } {
  let [positive, negative] = [0, 0];
  for (let i = 0; i < values.length; i++)
    if (left[i] === 1) {
      if (values[i]! >= 0) positive++;
      else negative++;
    }
  return { positive, negative };
}

/**
 * Returns exactly ⌊positive · P⌋ + ⌊negative · N⌋ indices, or `most` if that is fewer. Of equal weights the earlier is dropped
 * first. At least one is dropped if any remains, so that repeated small shares terminate.
 */
export function selectDrops(values: Float32Array, left: Uint8Array, rule: DropRule): number[] {
  const counts = countSigns(values, left);
  const { positive: p, negative: n } = rule.original ?? counts;
  let up = Math.min(counts.positive, Math.floor(p * rule.positive * (1 + 1e-12)));
  let down = Math.min(counts.negative, Math.floor(n * rule.negative * (1 + 1e-12)));
  if (up + down === 0) {
    if (counts.positive >= counts.negative && rule.positive > 0) up = Math.min(1, counts.positive);
    else down = Math.min(1, counts.negative);
  }
  if (up + down > rule.most) {
    const share = Math.round((up / (up + down)) * rule.most);
    up = Math.max(Math.min(up, share), rule.most - down);
    down = rule.most - up;
  }
  return [
    ...selectSigned(values, left, up, 1, rule.select),
    ...selectSigned(values, left, down, -1, rule.select),
  ];
}

/** Returns the indices of the `count` weights of a sign with the smallest or largest magnitude. */
function selectSigned(
  values: Float32Array,
  left: Uint8Array,
  count: number,
  sign: 1 | -1,
  select: DropRule["select"],
): Uint32Array {
  const direction = select === "smallest" ? 1 : -1;
  const places = new Uint32Array(values.length);
  let size = 0;
  for (let i = 0; i < values.length; i++)
    if (left[i] === 1 && values[i]! >= 0 === (sign === 1)) places[size++] = i;
  const candidates = places.subarray(0, size);
  const scores = Float32Array.from(candidates, (i) => direction * Math.abs(values[i]!));
  return findLowest(candidates, scores, count);
}
