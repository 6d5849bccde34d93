/** Which weights go next when positive and negative ones lose a share each: those nearest to zero, or farthest from it, of either sign. */
import { lowestPlaces } from "./smallest";

export interface DropRule {
  /** Shares of the positive and of the negative weights. */
  readonly positive: number;
  readonly negative: number;
  readonly select: "smallest" | "largest";
  /** What the shares are of; the weights that are left where it is undefined. */
  readonly original?: { readonly positive: number; readonly negative: number } | undefined;
  /** No more than that many go, of both signs in proportion. */
  readonly most: number;
}

/** How many of the weights that are left have either sign; zeros count as positive. */
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
 * Exactly ⌊positive · P⌋ + ⌊negative · N⌋ places, or `most` where that is fewer. Of equal weights the earlier goes first. At
 * least one goes where there is one, so that shares of few weights come to an end.
 */
export function selectDrops(values: Float32Array, left: Uint8Array, rule: DropRule): number[] {
  const now = countSigns(values, left);
  const { positive: p, negative: n } = rule.original ?? now;
  let up = Math.min(now.positive, Math.floor(p * rule.positive * (1 + 1e-12)));
  let down = Math.min(now.negative, Math.floor(n * rule.negative * (1 + 1e-12)));
  if (up + down === 0) {
    if (now.positive >= now.negative && rule.positive > 0) up = Math.min(1, now.positive);
    else down = Math.min(1, now.negative);
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

/** Places of the `count` weights of a sign with the smallest, or largest, magnitude. */
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
  return lowestPlaces(candidates, scores, count);
}
