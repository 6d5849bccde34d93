/** Building blocks that families share. Activations are [batch · time, width], so that each projection is one matrix product. */
import { WorkbenchError } from "../../protocol/errors";
import { constant, type Value, scalar } from "../graph/op";
import { gelu } from "../graph/composites/activations";
import { maskedScore, mixValues } from "../graph/composites/attention";
import { dropout, type DropoutPart, int, iota } from "../graph/functions";
import { geluTanh, silu } from "../graph/ops/activation";
import {
  add,
  and,
  cast,
  cos,
  equal,
  greater,
  less,
  lessOrEqual,
  mul,
  relu,
  sin,
  sub,
  where,
} from "../graph/ops/elementwise";
import { gather } from "../graph/ops/indexing";
import { concat, reshape, slice, transpose } from "../graph/ops/movement";
import { softmax } from "../graph/ops/normalization";
import { sum } from "../graph/ops/reduction";
import { attend, computeMaskedScores } from "./attend";
import type { AttentionCall, ForwardOptions, Mask, ModelInputs, Weights } from "./family";
import type { Frequencies } from "./rotary";
import { range } from "./specs";

/** Activations by the names that `config.json` uses. */
export const activations: Readonly<Record<string, (x: Value) => Value>> = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  swish: silu,
};

export interface Tokens {
  readonly batch: number;
  readonly time: number;
  /** int32 [batch · time] */
  readonly ids: Value;
}

export function getTokens({ tokens }: ModelInputs): Tokens {
  const [batch, time] = tokens.type.shape as [number, number];
  return { batch, time, ids: reshape(tokens, { shape: [batch * time] }) };
}

/** Which keys a query attends to. */
export interface AttentionMask {
  /** Whether each token attends to its predecessors and itself alone, without any other condition. */
  readonly causal: boolean;
  /**
   * Added to the scores: 0 where a token may attend, a large negative number elsewhere. [time, time], or
   * [batch, 1, time, time] with segments, or [batch, 1, time, slots] with a cache. A padding token attends to everything
   * equally; its output is not used.
   */
  readonly bias?: Value;
}

export function buildAttentionMask(inputs: ModelInputs, mask: Mask, window?: number | null): AttentionMask {
  const [batch, time] = inputs.tokens.type.shape as [number, number];
  const { cache, segments } = inputs;
  if (cache === undefined && segments === undefined && window == null) return { causal: mask === "causal" };
  if (window != null && cache?.isCompact === true && window < cache.slots) throw windowError(window);
  const keys = cache?.slots ?? time;
  const row =
    cache !== undefined && cache.kept === undefined
      ? reshape(inputs.positions!, { shape: [batch, 1, time, 1] })
      : reshape(listLast(keys, time), { shape: [time, 1] });
  const column = reshape(iota(keys), { shape: [1, keys] });
  let allowed = mask === "causal" ? lessOrEqual(column, row) : undefined;
  const narrow = (by: Value) => (allowed = allowed === undefined ? by : and(allowed, by));
  if (window != null) narrow(less(sub(row, column), constant(Int32Array.of(window), [])));
  if (segments !== undefined) {
    const query = reshape(segments, { shape: [batch, 1, time, 1] });
    const key = reshape(segments, { shape: [batch, 1, 1, time] });
    narrow(and(equal(query, key), greater(key, constant(Int32Array.of(0), []))));
  }
  if (cache?.kept !== undefined)
    narrow(greater(reshape(cache.kept, { shape: [batch, 1, 1, keys] }), constant(Int32Array.of(0), [])));
  return allowed === undefined
    ? { causal: false }
    : { causal: false, bias: where(allowed, scalar(0), scalar(maskedScore)) };
}

/** The last `count` numbers of 0, 1, …, size - 1. */
function listLast(size: number, count: number): Value {
  return size === count ? iota(count) : slice(iota(size), { axis: 0, start: size - count, end: size });
}

const windowError = (window: number): WorkbenchError =>
  new WorkbenchError(
    "unsupported",
    `Some layers of this model attend only to the last ${window} tokens, which cache policies do not support. Leave inference.cache out, use texts of up to ${window} tokens, or a model without sliding_window.`,
  );

/** Builds the mask of each window once; layers with the same window share it. */
export function createAttentionMasks(inputs: ModelInputs, mask: Mask) {
  const masks = new Map<number | undefined, AttentionMask>();
  return (window: number | null | undefined): AttentionMask => {
    const attends = masks.get(window ?? undefined) ?? buildAttentionMask(inputs, mask, window);
    masks.set(window ?? undefined, attends);
    return attends;
  };
}

/** Cosines and sines of the rotary angles: [time, pairs], or [batch, 1, time, pairs] with positions. */
export interface Rotary {
  readonly cos: Value;
  readonly sin: Value;
}

function buildRotary(inputs: ModelInputs, frequencies: Frequencies): Rotary {
  const [batch, time] = inputs.tokens.type.shape as [number, number];
  const { scale } = frequencies;
  const radians = selectFrequencies(inputs, frequencies);
  const scaled = (x: Value) => (scale === 1 ? x : mul(x, scalar(scale)));
  const of = (positions: Value): Rotary => {
    const angles = mul(cast(positions, { to: "float32" }), radians);
    return { cos: scaled(cos(angles)), sin: scaled(sin(angles)) };
  };
  const every = (count: number) => of(reshape(iota(count), { shape: [count, 1] }));
  if (inputs.positions === undefined) return every(time);
  if (inputs.cache === undefined || inputs.cache.kept !== undefined)
    return of(reshape(inputs.positions, { shape: [batch, 1, time, 1] }));
  // Look up tables that depend on no input: they are computed once, and not on a device with imprecise cosines.
  const tables = every(inputs.cache.slots);
  const at = reshape(inputs.positions, { shape: [batch, 1, time] });
  return { cos: gather(tables.cos, at), sin: gather(tables.sin, at) };
}

/** Builds the angles of each set of frequencies once; layers with the same set share them. */
export function createRotaries(inputs: ModelInputs) {
  const rotaries = new Map<Frequencies, Rotary>();
  return (frequencies: Frequencies | undefined): Rotary | undefined => {
    if (frequencies === undefined) return undefined;
    const rotary = rotaries.get(frequencies) ?? buildRotary(inputs, frequencies);
    rotaries.set(frequencies, rotary);
    return rotary;
  };
}

/** Returns the radians per position [pairs]. As in transformers, the longest text of a batch decides for all of them. */
function selectFrequencies(
  { tokens, positions, cache }: ModelInputs,
  { frequencies, long }: Frequencies,
): Value {
  const [, time] = tokens.type.shape as [number, number];
  const of = (radians: Float32Array) => constant(radians, [radians.length]);
  // With a slot for each position, no text becomes long enough; see `longestGrowth` of a family.
  if (long === undefined || (cache !== undefined && cache.kept === undefined)) return of(frequencies);
  if (positions === undefined) return of(time > long.from ? long.frequencies : frequencies);
  const isBeyond = cast(greater(positions, int(long.from - 1)), { to: "float32" }); // [batch, time]
  const count = sum(isBeyond, { axes: [0, 1], keepDims: false });
  return where(greater(count, scalar(0)), of(long.frequencies), of(frequencies));
}

/**
 * Applies the rotary embedding in the rotate-half convention to the first d channels of a head, for which there are angles:
 * channel i is rotated with channel i + d/2.
 */
export function applyRotary(x: Value, angles: Rotary): Value {
  const axis = x.type.shape.length - 1;
  const [width, half] = [x.type.shape[axis]!, angles.cos.type.shape.at(-1)!];
  // Use x only through its parts, so that their gradients are concatenated rather than padded and added.
  const first = slice(x, { axis, start: 0, end: half });
  const second = slice(x, { axis, start: half, end: 2 * half });
  const others = 2 * half === width ? [] : [slice(x, { axis, start: 2 * half, end: width })];
  return concat(
    sub(mul(first, angles.cos), mul(second, angles.sin)),
    add(mul(second, angles.cos), mul(first, angles.sin)),
    ...others,
    { axis },
  );
}

/** Drops activations if the inputs have a seed. Every call has its own random stream, except that a later part continues its predecessor's. */
export type Dropout = (x: Value, rate: number, part?: DropoutPart) => Value;

export function createDropout({ dropoutSeed: seed }: ModelInputs, firstSite = 0): Dropout {
  let site = firstSite;
  return (x, rate, part) => {
    if (seed === undefined) return x;
    if (part === undefined || part.start === 0) site++;
    return dropout(x, rate, seed, site - 1, part);
  };
}

export interface AttentionOptions {
  readonly tokens: Tokens;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly mask: Mask;
  readonly attends: AttentionMask;
  readonly rotary?: Rotary | undefined;
  /** Factor of the scores; 1/√headDim when left out. */
  readonly scale?: number | undefined;
  /** The bound of the scores: they become cap · tanh(score / cap). */
  readonly cap?: number | null | undefined;
  /** Attends to earlier tokens too, whose keys and values it keeps. */
  readonly cache?: ((call: AttentionCall) => Value) | undefined;
  readonly dropout: Dropout;
  readonly dropoutRate: number;
  /** See `ForwardOptions`. */
  readonly block?: number | undefined;
  readonly onBlock?: ((inputs: readonly Value[], output: Value) => void) | undefined;
  readonly onWeights?: ((weights: Value) => void) | undefined;
}

/** softmax(q·kᵀ/√d + bias)·v of every head: [batch · time, heads · d] of each → [batch · time, heads · d]. */
export function attention(
  [q, k, v]: readonly [Value, Value, Value],
  {
    tokens: { batch, time },
    heads,
    kvHeads,
    headDim,
    mask,
    attends: { causal, bias },
    rotary: angles,
    cap,
    ...options
  }: AttentionOptions,
): Value {
  const split = (x: Value, count: number) =>
    transpose(reshape(x, { shape: [batch, time, count, headDim] }), { perm: [0, 2, 1, 3] });
  const turn = (x: Value) => (angles === undefined ? x : applyRotary(x, angles));
  const [queries, keys, values] = [turn(split(q, heads)), turn(split(k, kvHeads)), split(v, kvHeads)];
  const join = (byHead: Value) =>
    reshape(transpose(byHead, { perm: [0, 2, 1, 3] }), { shape: [batch * time, heads * headDim] });
  const attrs = { scale: options.scale ?? 1 / Math.sqrt(headDim), causal, cap };
  if (options.cache !== undefined) return join(options.cache({ queries, keys, values, bias, ...attrs }));
  const size = options.block ?? time;
  const blocks = range(Math.ceil(time / size)).map((block) => {
    const [start, end] = [block * size, Math.min(time, (block + 1) * size)];
    const part = (x: Value, axis: number, from: number, to: number) =>
      from === 0 && to === x.type.shape[axis] ? x : slice(x, { axis, start: from, end: to });
    // With causal attention, a block skips all keys after its own.
    const seen = options.block === undefined || mask !== "causal" ? time : end;
    const axis = (bias?.type.shape.length ?? 0) - 2;
    const call: AttentionCall = {
      queries: part(queries, 2, start, end),
      keys: part(keys, 2, 0, seen),
      values: part(values, 2, 0, seen),
      bias: bias && part(part(bias, axis, start, end), axis + 1, 0, seen),
      ...attrs,
    };
    const weights = softmax(computeMaskedScores(call));
    options.onWeights?.(weights);
    const place = { axis: 2, start, whole: [time, time] } as const;
    const dropped = options.dropout(weights, options.dropoutRate, place);
    const mixed = dropped === weights ? attend(call) : mixValues(dropped, call.values); // [batch, heads, rows, headDim]
    options.onBlock?.([queries, keys, values], mixed);
    return mixed;
  });
  return join(blocks.length === 1 ? blocks[0]! : concat(...blocks, { axis: 2 })); // [batch, heads, time, headDim]
}

/** Returns the cache of a layer's attention, if there is one. */
export function getLayerCache({ cache }: ModelInputs, layer: number): AttentionOptions["cache"] {
  return cache && ((call) => cache.attend(layer, call));
}

/** Adds the learned embedding of each token's position to x [batch · time, width]. The table starts with `unused` other rows. */
export function addPositions(
  x: Value,
  weights: Weights,
  { tokens, positions }: ModelInputs,
  unused = 0,
): Value {
  const [batch, time] = tokens.type.shape as [number, number];
  const [, width] = x.type.shape as [number, number];
  if (positions !== undefined) {
    const ids = reshape(positions, { shape: [batch * time] });
    return add(x, weights.lookup("embed_positions", unused === 0 ? ids : add(ids, int(unused))));
  }
  const rows = slice(weights.table("embed_positions"), { axis: 0, start: unused, end: unused + time }); // [time, width]
  return reshape(add(reshape(x, { shape: [batch, time, width] }), rows), { shape: [batch * time, width] });
}

/** Numbers of the layers to compute, of a model that has `count`. */
export function listSectionLayers(count: number, { section }: ForwardOptions): number[] {
  return range(count).slice(section?.from, section?.to);
}

/** Ends a section after its last layer; otherwise selects the rows of `finish(x)` whose logits are requested. */
export function finishHidden(
  x: Value,
  { section, rows }: ForwardOptions,
  finish: (x: Value) => Value = (each) => each,
): Value {
  if (section?.to !== undefined) return x;
  return rows === undefined ? finish(x) : gather(finish(x), rows);
}
