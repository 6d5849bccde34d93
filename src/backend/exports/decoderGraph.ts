/**
 * A decoder with keys and values of past tokens that grow, with the inputs and outputs of `optimum`, which transformers.js and
 * onnxruntime-genai read: `input_ids` and `position_ids` [batch, time], `attention_mask` [batch, past + time],
 * `past_key_values.<layer>.key` and `.value` [batch, kvHeads, past, headDim] → `logits` [batch, time, vocabulary] and
 * `present.<layer>.…` [batch, kvHeads, past + time, headDim]. The past may be empty.
 */
import type { DynamicAxis } from "../graph/dynamicOnnx";
import type { Graph } from "../graph/graph";
import type { OnnxModel } from "../graph/onnx";
import { input } from "../graph/op";
import { reshape } from "../graph/ops/movement";
import { getLabelCount } from "../models/classifier";
import { buildInferenceForward } from "../models/inference";
import { GrowingCache } from "../models/keyValueCache";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import {
  batchSamples,
  createIdsInput,
  encodeDynamicGraph,
  type GraphFormat,
  type GraphWeights,
} from "./onnxGraph";

/** Both programs run ONNX Runtime. */
export const decoderFormat: GraphFormat = { operators: "microsoft", functions: false };

/** No two axes, nor their products, are in the same proportions in all samples. */
const samples = { past: [3, 5, 7], time: [7, 4, 2], total: [10, 9, 9] } as const;
const leastContext = Math.max(...samples.total);

/** Why a model has no such graph; undefined if it has one. */
export function refuseDecoder(shape: ModelShape): string | undefined {
  if (getLabelCount(shape.config) !== undefined) return "it is a classifier, which does not continue texts";
  if (familyOf(shape.family).mask !== "causal") return "it is an encoder, which does not continue texts";
  const { context } = dimensionsOf(shape);
  return context < leastContext
    ? `it has ${context} positions, and the graph needs at least ${leastContext}`
    : undefined;
}

export function buildDecoderModel(shape: ModelShape, weights: GraphWeights): OnnxModel {
  const axes: DynamicAxis[] = [
    { name: "batch_size", input: "input_ids", axis: 0, sizes: batchSamples },
    { name: "sequence_length", input: "input_ids", axis: 1, sizes: samples.time },
    { name: "past_sequence_length", input: "past_key_values.0.key", axis: 2, sizes: samples.past },
    { name: "total_sequence_length", input: "attention_mask", axis: 1, sizes: samples.total },
  ];
  return encodeDynamicGraph(axes, (sample) => buildDecoderGraph(shape, sample), decoderFormat, weights);
}

function buildDecoderGraph(shape: ModelShape, sample: number): Graph {
  const { vocabulary, kvHeads, headDim } = dimensionsOf(shape);
  const [batch, past, time] = [batchSamples[sample]!, samples.past[sample]!, samples.time[sample]!];
  const tokens = createIdsInput("input_ids", [batch, time]);
  const kept = createIdsInput("attention_mask", [batch, past + time]);
  const positions = createIdsInput("position_ids", [batch, time]);
  const cache = new GrowingCache(kept, (name) =>
    input(`past_key_values.${name}`, [batch, kvHeads, past, headDim]),
  );
  const logits = buildInferenceForward(shape, { tokens, positions, cache }, {}, decoderFormat.operators);
  const present = [...cache.next].map(([name, next]) => [`present.${name}`, next] as const);
  return {
    outputs: {
      logits: reshape(logits, { shape: [batch, time, vocabulary] }),
      ...Object.fromEntries(present),
    },
  };
}

/** A line about texts that outgrow the rotary frequencies with which their first keys were computed, if that can happen. */
export function listGrowthNotices({ family, config }: ModelShape): string[] {
  const limit = familyOf(family).longestGrowth?.(config);
  return limit === undefined
    ? []
    : [
        `Beyond ${limit} tokens (original_max_position_embeddings), longrope changes the rotary frequencies of all tokens, and programs keep the keys of earlier ones. End shorter texts there, or begin with a longer prompt.`,
      ];
}
