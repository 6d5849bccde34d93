/**
 * One slot of a table for all tokens that were dropped: the means of their keys and values, which enter the softmax with the
 * weight of all of them (RazorAttention, arXiv 2407.15891, equations 4 and 5).
 */
import { maskedScore } from "../graph/composites/attention";
import { int } from "../graph/functions";
import { constant, scalar, type Value } from "../graph/op";
import {
  add,
  cast,
  div,
  equal,
  greater,
  less,
  log,
  maximum,
  mul,
  not,
  sub,
  where,
} from "../graph/ops/elementwise";
import { gather, pick, replaceRows } from "../graph/ops/indexing";
import { concat, reshape } from "../graph/ops/movement";

/** The position of the slot with the means, which is the last of its table. */
export const meanSlot = -2;

/** The rows of the means in a table [rows · slots, …]: int32 [rows]. */
export const listLastSlots = (rows: number, slots: number): Value =>
  constant(
    Int32Array.from({ length: rows }, (_, row) => (row + 1) * slots - 1),
    [rows],
  );

export interface Dropped {
  /** [rows, 1]: how many tokens are in the means. */
  readonly count: Value;
  /** [rows, 1]: the weight in the means of the token that is overwritten; 0 for an empty slot. */
  readonly weight: Value;
}

/** Counts the tokens that are overwritten at `target` int32 [rows], by the positions [rows, slots] of the table before. */
export function foldDropped(count: Value, positions: Value, target: Value): Dropped {
  const rows = target.type.shape[0]!;
  const taken = reshape(pick(positions, target), { shape: [rows, 1] });
  const isToken = cast(not(less(taken, int(0))), { to: "float32" });
  const next = add(count, isToken);
  return { count: next, weight: div(isToken, maximum(next, scalar(1))) };
}

/**
 * Writes the keys or values `news` [rows, headDim] of new tokens to the rows `at` of a table [rows · slots, headDim], after those
 * that they overwrite have moved into the means.
 */
export function keepMean(
  table: Value,
  { at, slots, news, dropped }: { at: Value; slots: number; news: Value; dropped: Dropped },
): Value {
  const rows = at.type.shape[0]!;
  const last = listLastSlots(rows, slots);
  const mean = gather(table, last);
  const next = add(mean, mul(sub(gather(table, at), mean), dropped.weight));
  return replaceRows(table, concat(at, last, { axis: 0 }), concat(news, next, { axis: 0 }));
}

/** The bias [rows, slots] with that of the means: ln of their count, so that they weigh as much as their tokens. */
export function biasMean(bias: Value, positions: Value, { count }: Dropped): Value {
  const isMean = equal(positions, int(meanSlot));
  const own = where(greater(count, scalar(0)), log(maximum(count, scalar(1))), scalar(maskedScore));
  return where(isMean, own, bias);
}
