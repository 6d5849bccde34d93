/** The forward pass as an ONNX file with its weights, for any runtime: batch and sequence of any size, padding on either side. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { type DynamicAxis, mergeSizes } from "../graph/dynamicOnnx";
import type { Graph } from "../graph/graph";
import { buildModel, type OnnxModel } from "../graph/onnx";
import { type ConstantData, input, type Shape, type Value } from "../graph/op";
import { int } from "../graph/functions";
import { cast, greater, sub, where } from "../graph/ops/elementwise";
import { reshape } from "../graph/ops/movement";
import { cumulativeSum } from "../graph/ops/reduction";
import { inferenceForward, inferenceParameters, inferenceTensors } from "../models/inference";
import { cacheType, KeyValueCache } from "../models/keyValueCache";
import { refuseClassifier, requireNextToken } from "../models/classifier";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { writeOnnx } from "./onnxFile";
import { withoutMasks } from "./unmasked";

const options = z.strictObject({
  sequence_len: z
    .int()
    .positive()
    .optional()
    .describe(
      "Fixes the number of tokens of a row; any number when left out. With `with_past` also the places of the past, then the model's context, but at most 1024, when left out.",
    ),
  batch_size: z
    .int()
    .positive()
    .optional()
    .describe("Fixes the number of rows; any number when left out, and 1 in the file with a past."),
  input_type: z
    .enum(["int64", "int32"])
    .default("int64")
    .describe("Type of token ids, mask and positions; int64 is what most programs feed."),
  position_ids: z
    .boolean()
    .default(false)
    .describe("Take the positions as an input; otherwise they count the tokens that the mask keeps."),
  operators: z
    .enum(["microsoft", "standard"])
    .default("microsoft")
    .describe(
      "Whether quantized matrices may use ONNX Runtime's own MatMulNBits where their groups fit it, or only the standard DequantizeLinear.",
    ),
  external_data: z
    .boolean()
    .default(false)
    .describe("Write the weights to a file of their own, as weights of more than 2 GiB are in any case."),
  with_past: z
    .boolean()
    .default(false)
    .describe(
      "Also write decoder_with_past_model.onnx: one token at a time, with the keys and values of those before.",
    ),
});
type Options = z.output<typeof options>;

export default defineExporter<Options>({
  title: "ONNX file of the forward pass",
  options,
  samples: [
    {},
    { sequence_len: 5, batch_size: 2, input_type: "int32", with_past: true },
    { operators: "standard", external_data: true, position_ids: true },
  ],
  form: "graph",
  write: async (subject, given, folder) => {
    refuseClassifier(subject.shape, "this export has no graph for it; safetensors has");
    if (given.with_past) requireNextToken(subject.shape, "it has no past to go on from; leave out with_past");
    const { shape, tensors } = withoutMasks(subject);
    const weights = new Map(
      [...inferenceTensors(shape, tensors, given.operators)].map(([name, { data }]) => [name, data]),
    );
    const missing = inferenceParameters(shape, given.operators).find(({ name }) => !weights.has(name));
    if (missing !== undefined) throw new Error(`The model has no tensor ${missing.name}.`);
    const write = (name: string, model: OnnxModel) =>
      writeOnnx(folder, name, model, { external: given.external_data });
    write("model.onnx", forwardModel(shape, given, weights));
    if (given.with_past)
      write("decoder_with_past_model.onnx", build(stepGraph(shape, given), given, weights));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    const hasCodes = inferenceParameters(shape, given.operators).some(({ dtype }) => /^int[48]$/.test(dtype));
    return given.operators === "standard" && hasCodes ? [accuracyNotice] : [];
  },
});

/** ONNX Runtime makes MatMulNBits of these products, and unless it is asked not to, one that rounds its input to int8. */
const accuracyNotice =
  "ONNX Runtime by default rounds the inputs of products with DequantizeLinear to int8. Set its session option session.qdq_matmulnbits_accuracy_level to 1 for float32, or export with operators: microsoft.";

type Weights = ReadonlyMap<string, ConstantData>;

function build(graph: Graph, { operators }: Options, weights: Weights, sharesConstants = true): OnnxModel {
  return buildModel(graph, { portable: true, packed: operators === "microsoft", weights, sharesConstants });
}

/** Sizes that no sizes of a model are likely to be products of, and smaller ones for a context that has no room for them. */
const samples = { batch: [5, 7, 11], time: [7, 11, 13], short: [3, 4, 2] } as const;

/** The graph at three sizes, made one model of any size; at the fixed size alone where both are fixed. */
function forwardModel(shape: ModelShape, given: Options, weights: Weights): OnnxModel {
  const { sequence_len: fixedTime, batch_size: fixedBatch } = given;
  if (fixedTime !== undefined && fixedBatch !== undefined)
    return build(forwardGraph(shape, given, [fixedBatch, fixedTime]), given, weights);
  const { context } = dimensionsOf(shape);
  const times = context >= Math.max(...samples.time) ? samples.time : samples.short;
  if (fixedTime === undefined && context < Math.max(...times))
    throw new WorkbenchError(
      "unsupported",
      `A model of ${context} positions cannot be written for sequences of any length. Set sequence_len to ${context}.`,
    );
  const models = [0, 1, 2].map((i) => {
    const sizes = [fixedBatch ?? samples.batch[i]!, fixedTime ?? times[i]!] as const;
    return build(forwardGraph(shape, given, sizes), given, weights, false);
  });
  const axes: DynamicAxis[] = [
    ...(fixedBatch === undefined
      ? [{ name: "batch_size", input: "input_ids", axis: 0, sizes: samples.batch }]
      : []),
    ...(fixedTime === undefined
      ? [{ name: "sequence_length", input: "input_ids", axis: 1, sizes: times }]
      : []),
  ];
  return mergeSizes(models, axes);
}

/** `input_ids`, `attention_mask` and, if asked for, `position_ids` [batch, time] → `logits` [batch, time, vocabulary]. */
function forwardGraph(shape: ModelShape, given: Options, [batch, time]: readonly [number, number]): Graph {
  const { vocabulary } = dimensionsOf(shape);
  const tokens = ids("input_ids", [batch, time], given);
  const mask = ids("attention_mask", [batch, time], given);
  // An encoder counts padding too, as transformers does: without positions they are 0, 1, 2, …
  const counted = familyOf(shape.family).mask === "causal" ? { positions: positionsOf(mask) } : {};
  const positions = given.position_ids ? { positions: ids("position_ids", [batch, time], given) } : counted;
  const logits = inferenceForward(shape, { tokens, ...positions, segments: mask }, {}, given.operators);
  return { outputs: { logits: reshape(logits, { shape: [batch, time, vocabulary] }) } };
}

/** Of each token how many before it the mask keeps; 0 for padding on the left. */
function positionsOf(mask: Value): Value {
  const counted = sub(cumulativeSum(mask, { axis: 1 }), int(1));
  return where(greater(counted, int(0)), counted, int(0));
}

/**
 * `input_ids` and `position_ids` [batch, 1], `past_key_values.<layer>.key` and `.value` [batch, kvHeads, slots, headDim] →
 * `logits` [batch, 1, vocabulary] and `present.<layer>.…`, the past with the token at its position. Slots after the
 * position are not read, so a past begins as zeros.
 */
function stepGraph(shape: ModelShape, given: Options): Graph {
  const dimensions = dimensionsOf(shape);
  const { vocabulary, kvHeads, headDim, context } = dimensions;
  const [batch, slots] = [given.batch_size ?? 1, given.sequence_len ?? Math.min(context, 1024)];
  const positions = ids("position_ids", [batch, 1], given);
  const table = [batch, kvHeads, slots, headDim];
  const cache = new KeyValueCache(dimensions, { batch, slots }, positions, (name) =>
    reshape(input(`past_key_values.${name}`, table), {
      shape: cacheType(dimensions, { batch, slots }).shape,
    }),
  );
  const tokens = ids("input_ids", [batch, 1], given);
  const logits = inferenceForward(shape, { tokens, positions, cache }, {}, given.operators);
  const present = [...cache.next].map(([name, next]) => [`present.${name}`, reshape(next, { shape: table })]);
  return {
    outputs: {
      logits: reshape(logits, { shape: [batch, 1, vocabulary] }),
      ...(Object.fromEntries(present) as Graph["outputs"]),
    },
  };
}

function ids(name: string, size: Shape, { input_type }: Options): Value {
  const given = input(name, size, input_type);
  return input_type === "int32" ? given : cast(given, { to: "int32" });
}
