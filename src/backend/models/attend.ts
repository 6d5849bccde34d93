/** Attention of queries to keys and values, with or without a bound of the scores. */
import { scalar, type Value } from "../graph/op";
import { computeScores, dotProductAttention, maskScores, mixValues } from "../graph/composites/attention";
import { mul, tanh } from "../graph/ops/elementwise";
import { softmax } from "../graph/ops/normalization";
import type { AttentionCall } from "./family";

/** cap · tanh(x / cap), for which transformers has keys named `…_softcapping`; x where there is no cap. */
export function capValues(x: Value, cap: number | null | undefined): Value {
  return cap == null ? x : mul(tanh(mul(x, scalar(1 / cap))), scalar(cap));
}

/** The inputs of the softmax: [batch, heads, rows, keys]. */
export function computeMaskedScores({ queries, keys, bias, causal, scale, cap }: AttentionCall): Value {
  if (cap == null) return computeScores(queries, keys, bias, { scale, causal });
  const scores = computeScores(queries, keys, undefined, { scale, causal: false });
  return maskScores(capValues(scores, cap), bias, causal);
}

/** softmax(scores)·values of each head: [batch, heads, rows, headDim]. */
export function attend(call: AttentionCall): Value {
  const { queries, keys, values, bias, causal, scale, cap } = call;
  if (cap == null) return dotProductAttention(queries, keys, values, bias, { scale, causal });
  return mixValues(softmax(computeMaskedScores(call)), values);
}
