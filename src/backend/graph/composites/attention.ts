/** Scaled dot-product attention and its gradient. */
import { pullBack } from "../autodiff";
import { type Composite, defineComposite, outputOf } from "../composite";
import { iota } from "../functions";
import { constant, scalar, type Value } from "../op";
import { add, lessOrEqual, where } from "../ops/elementwise";
import { matmul } from "../ops/matmul";
import { concat, reshape, slice } from "../ops/movement";
import { softmaxMatmul } from "../ops/normalization";
import { logSumExp } from "../ops/reduction";

export interface AttentionAttrs extends Readonly<Record<string, number | boolean>> {
  /** Factor of the scores, usually 1/√d. */
  readonly scale: number;
  /** Whether a query attends only to keys up to its own position; the last query has the position of the last key. */
  readonly causal: boolean;
}

/** Added to a score, it makes the attention weight zero; small enough that sums do not overflow. */
export const maskedScore = -1e9;

const causalBiases = new Map<string, Value>();

/** 0 where a query may attend to a key, `maskedScore` elsewhere: [rows, keys]. */
function buildCausalBias(rows: number, keys: number): Value {
  const key = `${rows} ${keys}`;
  const cached = causalBiases.get(key);
  if (cached !== undefined) return cached;
  const positions = Int32Array.from({ length: rows }, (_, row) => keys - rows + row);
  const allowed = lessOrEqual(reshape(iota(keys), { shape: [1, keys] }), constant(positions, [rows, 1]));
  const bias = where(allowed, scalar(0), scalar(maskedScore));
  causalBiases.set(key, bias);
  return bias;
}

/** Queries that share a key head are stacked along time, so that keys and values are never repeated. */
function stack(x: Value, kvHeads: number): Value {
  const [batch, heads, rows, last] = x.type.shape as [number, number, number, number];
  return reshape(x, { shape: [batch, kvHeads, (heads / kvHeads) * rows, last] });
}

/** scale · q·kᵀ with the mask and bias: [batch, heads, rows, keys]. Other arguments are those of `dotProductAttention`. */
export function computeScores(q: Value, k: Value, bias: Value | undefined, attrs: AttentionAttrs): Value {
  const [batch, heads, rows] = q.type.shape as [number, number, number, number];
  const [, kvHeads, keys] = k.type.shape as [number, number, number, number];
  const products = matmul(stack(q, kvHeads), k, { transposeB: true, scale: attrs.scale });
  return maskScores(reshape(products, { shape: [batch, heads, rows, keys] }), bias, attrs.causal);
}

/** Adds the causal mask and the bias to scores [batch, heads, rows, keys]. */
export function maskScores(scores: Value, bias: Value | undefined, causal: boolean): Value {
  const [rows, keys] = scores.type.shape.slice(2) as [number, number];
  const masked = causal ? add(scores, buildCausalBias(rows, keys)) : scores;
  return bias === undefined ? masked : add(masked, bias);
}

/** weights [batch, heads, rows, keys] · values [batch, kvHeads, keys, d] → [batch, heads, rows, d]. */
export function mixValues(weights: Value, values: Value): Value {
  const mixed = matmul(stack(weights, values.type.shape[1]!), values);
  return reshape(mixed, { shape: [...weights.type.shape.slice(0, 3), values.type.shape[3]!] });
}

/**
 * Number of queries that attend at a time if attention is causal: they read only the keys up to their own, which skips almost
 * half of the masked scores. Smaller blocks skip more, but their products are slower.
 */
const causalBlock = 128;

interface Block {
  /** The queries of the block. */
  readonly from: number;
  readonly to: number;
  readonly scores: Value;
  /** [batch, kvHeads, group · rows, d] */
  readonly mixed: Value;
}

/** The scores and outputs of attention, in blocks of at most `size` queries if it is causal. */
export function attendInBlocks(
  [q, k, v, bias]: readonly [q: Value, k: Value, v: Value, bias: Value | undefined],
  attrs: AttentionAttrs,
  size: number = causalBlock,
): Block[] {
  const [rows, keys] = [q.type.shape[2]!, k.type.shape[2]!];
  const count = attrs.causal ? Math.ceil(rows / size) : 1;
  return Array.from({ length: count }, (_, i): Block => {
    const [from, to] = count === 1 ? [0, rows] : [i * size, Math.min(rows, (i + 1) * size)];
    const seen = keys - rows + to;
    const [ownKeys, ownValues] = [part(k, 2, 0, seen), part(v, 2, 0, seen)];
    const ownBias =
      bias && part(part(bias, bias.type.shape.length - 2, from, to), bias.type.shape.length - 1, 0, seen);
    const scores = computeScores(part(q, 2, from, to), ownKeys, ownBias, attrs);
    return { from, to, scores, mixed: softmaxMatmul(stack(scores, k.type.shape[1]!), ownValues) };
  });
}

/** Positions `start` to `end` of an axis; the whole of an axis that is broadcast. */
function part(x: Value, axis: number, start: number, end: number): Value {
  const size = x.type.shape[axis]!;
  return size === 1 || (start === 0 && end === size) ? x : slice(x, { axis, start, end });
}

const join = (parts: readonly Value[]): Value =>
  parts.length === 1 ? parts[0]! : concat(...parts, { axis: 2 });

type AttentionInputs = readonly [q: Value, k: Value, v: Value, bias?: Value];

/**
 * softmax(scale · q·kᵀ + bias)·v of each head. q [batch, heads, rows, d], k and v [batch, kvHeads, keys, d] → y like q, and
 * log Σ exp of each row of scores, [batch, heads, rows, 1], which some kernels need for the gradient. Groups of
 * heads / kvHeads consecutive queries share a key and value. The optional bias broadcasts to [batch, heads, rows, keys].
 */
export const dotProductAttention: Composite<AttentionInputs, AttentionAttrs> = defineComposite<
  AttentionInputs,
  AttentionAttrs
>({
  name: "dotProductAttention",
  body: ([q, k, v, bias], attrs) => {
    const blocks = attendInBlocks([q, k, v, bias], attrs);
    const unstack = ({ from, to, mixed }: Block) =>
      reshape(mixed, { shape: [...q.type.shape.slice(0, 2), to - from, v.type.shape[3]!] });
    return [
      join(blocks.map(unstack)),
      join(blocks.map(({ scores }) => logSumExp(scores, { axes: [3], keepDims: true }))),
    ];
  },
  gradient: ({ inputs: [q, k, v, bias], output: y, grad: dy, attrs, needs }) => {
    if (needs[3] === true) return undefined;
    const call = dotProductAttentionGradient(q, k, v, y, outputOf(y, 1), dy, bias, attrs);
    const flows = [call, outputOf(call, 1), outputOf(call, 2)] as const;
    return bias === undefined ? flows : [...flows, null];
  },
  samples: [
    { inputs: [...sampleOf(2, 2, 3, 3), [3, 3]], attrs: { scale: 0.5, causal: false } },
    { inputs: sampleOf(2, 2, 5, 5), range: [-2, 2], attrs: { scale: 0.7, causal: true } },
    { inputs: sampleOf(4, 2, 2, 5), range: [-2, 2], attrs: { scale: 0.7, causal: true } },
    { inputs: [...sampleOf(6, 2, 3, 4), [2, 1, 3, 4]], range: [-2, 2], attrs: { scale: 1, causal: false } },
  ],
});

function sampleOf(heads: number, kvHeads: number, rows: number, keys: number) {
  return [
    [2, heads, rows, 4],
    [2, kvHeads, keys, 4],
    [2, kvHeads, keys, 4],
  ] as const;
}

type GradientInputs = readonly [
  q: Value,
  k: Value,
  v: Value,
  y: Value,
  scoreSums: Value,
  dy: Value,
  bias?: Value,
];

/** The gradients of `dotProductAttention` in q, k and v, with its inputs and outputs and the gradient of y. */
export const dotProductAttentionGradient: Composite<GradientInputs, AttentionAttrs> = defineComposite<
  GradientInputs,
  AttentionAttrs
>({
  name: "dotProductAttentionGradient",
  body: ([q, k, v, y, , dy, bias], attrs) => {
    const blocks = attendInBlocks([q, k, v, bias], attrs);
    const rowsOf = (x: Value, { from, to }: Block) => stack(part(x, 2, from, to), k.type.shape[1]!);
    const seeds = new Map(blocks.map((block) => [block.mixed, rowsOf(dy, block)]));
    const known = new Map(blocks.map((block) => [block.mixed, rowsOf(y, block)]));
    const [dq, dk, dv] = pullBack(seeds, [q, k, v], known);
    return [dq!, dk!, dv!];
  },
  gradient: "stop",
  samples: [],
});
