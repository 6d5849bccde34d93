/** Scores of a prompt's tokens, added up while the prompt is read in chunks. */
import { iota, int } from "../graph/functions";
import { constant, type Value } from "../graph/op";
import { and, cast, equal, greater, less, sub } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import type { AttentionCall } from "../models/family";
import type { ChosenPolicy } from "./compactCache";
import { observe } from "./observe";

export interface PromptInputs {
  /** int32 [batch, time] */
  readonly positions: Value;
  /** int32 [batch]: tokens of each prompt. */
  readonly lengths: Value;
  /** int32 [batch]: the seed of each text. */
  readonly seeds: Value;
  /** int32 scalar: the first position that no earlier chunk has read. */
  readonly unread: Value;
}

/** What a chunk adds to the scores of a layer, [batch · kvHeads, slots]. `budget` is that of the layer. */
export function scoreChunk(
  { policy, options }: ChosenPolicy,
  layer: number,
  budget: number,
  call: AttentionCall,
  { positions, lengths, seeds, unread }: PromptInputs,
): Value {
  const [batch, time] = positions.type.shape as [number, number];
  const slots = call.keys.type.shape[2]!;
  const length = reshape(lengths, { shape: [batch, 1] });
  const last = policy.countQueries?.(options, budget);
  const isNew = and(less(positions, length), greater(positions, sub(unread, int(1))));
  const counted = last === undefined ? isNew : and(isNew, greater(positions, sub(length, int(last + 1))));
  const column = reshape(iota(slots), { shape: [1, 1, 1, slots] });
  return observe(policy, options, layer, call, {
    positions,
    seeds,
    generated: constant(new Int32Array(1), [1, 1, 1, 1]),
    own: equal(column, reshape(positions, { shape: [batch, 1, time, 1] })),
    counted: reshape(cast(counted, { to: "float32" }), { shape: [batch, 1, time, 1] }),
  });
}
