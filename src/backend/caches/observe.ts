/** Computes what queries add to the scores of the tokens in a cache. */
import { computeMaskedScores } from "../models/attend";
import type { AttentionCall } from "../models/family";
import { gumbelNoise, int } from "../graph/functions";
import type { Value } from "../graph/op";
import { add, mul } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { softmax } from "../graph/ops/normalization";
import { expand, sum } from "../graph/ops/reduction";
import type { AnyCachePolicy, ObservedAttention } from "./policy";

/** What an observation depends on besides the attention. */
export interface Queries extends Pick<ObservedAttention, "generated" | "own"> {
  /** int32 [batch, queries]: the positions of the queries. */
  readonly positions: Value;
  /** int32 [batch]: the seed of each text. */
  readonly seeds: Value;
  /** float32, broadcast to [batch, 1, queries, 1]: 0 for queries that do not count. */
  readonly counted?: Value;
}

/** Sums what all queries add to each key, also over the heads that share it: [batch · kvHeads, keys]. */
export function observe(
  policy: AnyCachePolicy,
  options: unknown,
  layer: number,
  call: AttentionCall,
  queries: Queries,
): Value {
  const scores = computeMaskedScores(call);
  const [batch, heads, count, keys] = scores.type.shape as [number, number, number, number];
  const kvHeads = call.keys.type.shape[1]!;
  const { generated, own, counted } = queries;
  const noise = () => {
    const starts = mul(reshape(queries.seeds, { shape: [batch, 1, 1, 1] }), int(0x85ebca6b | 0));
    const seeds = add(starts, reshape(queries.positions, { shape: [batch, 1, count, 1] }));
    const rows = batch * heads * count;
    const byRow = reshape(expand(seeds, { shape: [batch, heads, count, 1] }), { shape: [rows, 1] });
    // Only the head numbers a row; text and query are in its seed, so that neither batch nor chunk matters.
    const numbers = Int32Array.from({ length: rows }, (_, row) => Math.floor(row / count) % heads);
    return gumbelNoise(scores.type.shape, numbers, byRow, layer);
  };
  const each = policy.weigh!({ scores, weights: softmax(scores), generated, own, noise }, options);
  const weighed = counted === undefined ? each : mul(each, counted);
  return sum(reshape(weighed, { shape: [batch * kvHeads, (heads / kvHeads) * count, keys] }), {
    axes: [1],
    keepDims: false,
  });
}
