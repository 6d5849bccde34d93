/** Reads the fixtures that scripts/reference/make.py writes, and draws the weights that both sides share. */
import { readFileSync } from "node:fs";
import { crossEntropy } from "../../src/backend/graph/ops/loss";
import {
  constant,
  input,
  parameter,
  scalar,
  type Shape,
  sizeOf,
  type Value,
} from "../../src/backend/graph/op";
import { mul } from "../../src/backend/graph/ops/elementwise";
import { gather } from "../../src/backend/graph/ops/indexing";
import { sum } from "../../src/backend/graph/ops/reduction";
import type { ModelInputs } from "../../src/backend/models/family";
import { readFileRows } from "../../src/backend/models/huggingFace";
import { familyOf, forward, type ModelShape, createShape } from "../../src/backend/models/model";

export interface ReferenceCase {
  readonly name: string;
  readonly tokens: number[][];
  readonly labels: number[][];
  readonly attention_mask?: number[][];
  readonly position_ids?: number[][];
  /** Whether a label belongs to its own position rather than to the previous one. */
  readonly in_place?: boolean;
  readonly loss: number;
  readonly logits: { readonly rows: number[]; readonly values: number[] };
  readonly gradients: Record<
    string,
    { readonly norm: number; readonly probe: number; readonly values?: number[] }
  >;
}

export interface Reference {
  readonly bound: number;
  readonly config: Record<string, unknown>;
  readonly tensors: Record<string, number[]>;
  readonly cases: readonly ReferenceCase[];
}

export const referenceNames = [
  "gpt2",
  "llama",
  "llama-tied",
  "phi3",
  "phi3-window",
  "qwen2",
  "qwen2-window",
  "qwen2-types",
  "bert",
  "llama-linear",
  "llama-llama3",
  "llama-yarn",
  "llama-longrope",
  "qwen2-yarn",
  "phi3-longrope",
  "mistral",
  "mistral-full",
  "qwen3",
  "qwen3-tied",
  "gemma2",
  "gemma2-types",
  "gemma3_text",
  "gemma3_text-types",
  "gpt_neox",
  "gpt_neox-sequential",
  "phi",
  "phi-tied",
  "opt",
  "opt-plain",
  "smollm3",
  "smollm3-layers",
  "roberta",
  "distilbert",
] as const;

/** Models with a classification head. */
export const classReferenceNames = [
  "gpt2-classes",
  "llama-classes",
  "qwen2-classes",
  "bert-classes",
  "gpt_neox-classes",
  "roberta-classes",
  "distilbert-classes",
] as const;

export function readReference(
  name: (typeof referenceNames)[number] | (typeof classReferenceNames)[number],
): Reference {
  const file = new URL(`../fixtures/models/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as Reference;
}

/** The same numbers as `uniform` of drawing.py. */
export function drawUniform(name: string, count: number, bound: number): Float64Array {
  let seed = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193);
  return Float64Array.from({ length: count }, (_, i) => {
    let x = (seed + Math.imul(i, 0x9e3779b9)) >>> 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b) >>> 0;
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) >>> 0;
    return (((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1) * bound;
  });
}

export function createReferenceTensor(name: string, shape: Shape, bound: number): Float32Array {
  const offset = shape.length === 1 && name.endsWith("weight") ? 1 : 0;
  return Float32Array.from(drawUniform(name, sizeOf(shape), bound), (each) => each + offset);
}

/** The tensor of a model whose file holds the one that `createReferenceTensor` draws. */
export function createModelTensor(
  { family, config }: ModelShape,
  name: string,
  size: Shape,
  bound: number,
): Float32Array {
  const drawn = createReferenceTensor(name, size, bound);
  const order = familyOf(family).fileRows?.(config, name);
  return order === undefined ? drawn : (readFileRows(order, drawn) as Float32Array);
}

/** A model on one reference case as a graph, with its feeds. */
export function createReferenceGraph({ bound, config, tensors }: Reference, reference: ReferenceCase) {
  const shape: ModelShape = createShape(config);
  const batch = reference.tokens.length;
  const time = reference.tokens[0]!.length;
  const grid = [batch, time];
  const weights = new Map(Object.entries(tensors).map(([name, size]) => [name, parameter(name, size)]));
  const hasMask = reference.attention_mask !== undefined;
  const inputs: ModelInputs = {
    tokens: input("tokens", grid, "int32"),
    ...(hasMask
      ? { segments: input("segments", grid, "int32"), positions: input("positions", grid, "int32") }
      : {}),
  };
  const { fileRows } = familyOf(shape.family);
  const getWeight = (name: string): Value => {
    const value = weights.get(name);
    if (value === undefined) throw new Error(`Hugging Face has no tensor ${name}.`);
    const order = fileRows?.(shape.config, name);
    return order === undefined ? value : gather(value, constant(order, [order.length]));
  };
  const logits = forward(shape, getWeight, inputs);
  // The label of a position is the next token, and the last has none; classes and masked tokens are at their own
  // position.
  const isInPlace = reference.in_place === true;
  const labels = reference.labels.flatMap((row) => (isInPlace ? row : [...row.slice(1), -100]));
  const labelCount = labels.filter((label) => label !== -100).length;
  const perToken = crossEntropy(logits, input("labels", [batch * time], "int32"));
  const loss = mul(sum(perToken, { axes: [0], keepDims: false }), scalar(1 / labelCount));
  const feeds: Record<string, number[] | Float32Array> = {
    tokens: reference.tokens.flat(),
    labels,
    ...(hasMask
      ? { segments: reference.attention_mask.flat(), positions: reference.position_ids!.flat() }
      : {}),
  };
  for (const [name, size] of Object.entries(tensors)) feeds[name] = createReferenceTensor(name, size, bound);
  return { shape, logits, loss, weights, feeds };
}
