/** Exports the forward pass and its weights as ONNX for any runtime, with any batch size, any sequence length, and padding on either side. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import type { DynamicAxis } from "../graph/dynamicOnnx";
import type { Graph } from "../graph/graph";
import type { OnnxModel } from "../graph/onnx";
import { input } from "../graph/op";
import { reshape } from "../graph/ops/movement";
import { buildInferenceForward, listInferenceParameters } from "../models/inference";
import { getCacheType, KeyValueCache } from "../models/keyValueCache";
import { refuseClassifier, requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { writeConfig, writeTokenizer } from "./companions";
import { defineExporter } from "./exporter";
import { externalDataKey, writeOnnx } from "./onnxFile";
import {
  batchSamples,
  chooseTimeSamples,
  collectGraphWeights,
  countPositions,
  createIdsInput,
  encodeDynamicGraph,
  encodeGraph,
  type GraphWeights,
} from "./onnxGraph";

const schema = z.strictObject({
  sequence_len: z
    .int()
    .positive()
    .optional()
    .describe(
      "Fixed sequence length in tokens. By default, the graph accepts any length. With `with_past`, also the number of cached positions, by default the model's context but at most 1024.",
    ),
  batch_size: z
    .int()
    .positive()
    .optional()
    .describe(
      "Fixed batch size. By default, the graph accepts any batch size, and the graph with a past uses 1.",
    ),
  input_type: z
    .enum(["int64", "int32"])
    .default("int64")
    .describe("Type of token ids, mask and positions. Most programs provide int64."),
  position_ids: z
    .boolean()
    .default(false)
    .describe(
      "Add an input for the positions. By default, positions count the tokens that the attention mask keeps.",
    ),
  operators: z
    .enum(["microsoft", "standard"])
    .default("microsoft")
    .describe(
      "Operators for quantized matrices: `microsoft` uses ONNX Runtime's MatMulNBits where the group size allows it, `standard` uses only DequantizeLinear.",
    ),
  functions: z
    .boolean()
    .default(false)
    .describe(
      "Write attention and other composite operations as functions of the domain `lathe`, which programs inline or replace by kernels of their own. By default, the file has only operators.",
    ),
  ...externalDataKey,
  with_past: z
    .boolean()
    .default(false)
    .describe(
      "Also write decoder_with_past_model.onnx, which processes one token at a time and takes the keys and values of the previous tokens.",
    ),
});
type Options = z.output<typeof schema>;

export default defineExporter<Options>({
  title: "ONNX file of the forward pass",
  library: "onnx",
  options: schema,
  samples: [
    {},
    { sequence_len: 5, batch_size: 2, input_type: "int32", with_past: true },
    { operators: "standard", external_data: true, position_ids: true, functions: true },
  ],
  form: "graph",
  write: async (subject, options, folder) => {
    refuseClassifier(subject.shape, "this export has no graph for it; safetensors has");
    if (options.with_past)
      requireNextToken(subject.shape, "it does not continue from past tokens; leave out with_past");
    const { shape, weights } = collectGraphWeights(subject, options.operators);
    const write = (name: string, model: OnnxModel) =>
      writeOnnx(folder, name, model, { external: options.external_data });
    write("model.onnx", buildForwardModel(shape, options, weights));
    if (options.with_past)
      write("decoder_with_past_model.onnx", encodeGraph(buildStepGraph(shape, options), options, weights));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    const hasCodes = listInferenceParameters(shape, options.operators).some(({ dtype }) =>
      /^int[48]$/.test(dtype),
    );
    return options.operators === "standard" && hasCodes ? [accuracyNotice] : [];
  },
});

/** ONNX Runtime fuses these products into MatMulNBits, which by default rounds its input to int8. */
const accuracyNotice =
  "By default, ONNX Runtime rounds the inputs of products with DequantizeLinear to int8. Set its session option session.qdq_matmulnbits_accuracy_level to 1 for float32, or export with operators: microsoft.";

/** A graph with dynamic axes for the sizes that are not fixed. */
function buildForwardModel(shape: ModelShape, options: Options, weights: GraphWeights): OnnxModel {
  const { sequence_len: fixedTime, batch_size: fixedBatch } = options;
  if (fixedTime !== undefined && fixedBatch !== undefined)
    return encodeGraph(buildForwardGraph(shape, options, [fixedBatch, fixedTime]), options, weights);
  const { context } = dimensionsOf(shape);
  const times = chooseTimeSamples(context);
  if (fixedTime === undefined && times === undefined)
    throw new WorkbenchError(
      "unsupported",
      `A model of ${context} positions cannot be written for sequences of any length. Set sequence_len to ${context}.`,
    );
  const axes: DynamicAxis[] = [
    ...(fixedBatch === undefined
      ? [{ name: "batch_size", input: "input_ids", axis: 0, sizes: batchSamples }]
      : []),
    ...(fixedTime === undefined
      ? [{ name: "sequence_length", input: "input_ids", axis: 1, sizes: times! }]
      : []),
  ];
  const buildSample = (sample: number) =>
    buildForwardGraph(shape, options, [fixedBatch ?? batchSamples[sample]!, fixedTime ?? times![sample]!]);
  return encodeDynamicGraph(axes, buildSample, options, weights);
}

/** `input_ids`, `attention_mask` and optionally `position_ids` [batch, time] → `logits` [batch, time, vocabulary]. */
function buildForwardGraph(
  shape: ModelShape,
  options: Options,
  [batch, time]: readonly [number, number],
): Graph {
  const { vocabulary } = dimensionsOf(shape);
  const tokens = createIdsInput("input_ids", [batch, time], options.input_type);
  const mask = createIdsInput("attention_mask", [batch, time], options.input_type);
  const positions = options.position_ids
    ? { positions: createIdsInput("position_ids", [batch, time], options.input_type) }
    : countPositions(shape, mask);
  const logits = buildInferenceForward(
    shape,
    { tokens, ...positions, segments: mask },
    {},
    options.operators,
  );
  return { outputs: { logits: reshape(logits, { shape: [batch, time, vocabulary] }) } };
}

/**
 * `input_ids` and `position_ids` [batch, 1], `past_key_values.<layer>.key` and `.value` [batch, kvHeads, slots, headDim] →
 * `logits` [batch, 1, vocabulary] and `present.<layer>.…`, the past with the token added at its position. Slots after the
 * position are not read, so the initial past can be zeros.
 */
function buildStepGraph(shape: ModelShape, options: Options): Graph {
  const dimensions = dimensionsOf(shape);
  const { vocabulary, kvHeads, headDim, context } = dimensions;
  const [batch, slots] = [options.batch_size ?? 1, options.sequence_len ?? Math.min(context, 1024)];
  const positions = createIdsInput("position_ids", [batch, 1], options.input_type);
  const table = [batch, kvHeads, slots, headDim];
  const cache = new KeyValueCache(dimensions, { batch, slots }, positions, (name) =>
    reshape(input(`past_key_values.${name}`, table), {
      shape: getCacheType(dimensions, { batch, slots }).shape,
    }),
  );
  const tokens = createIdsInput("input_ids", [batch, 1], options.input_type);
  const logits = buildInferenceForward(shape, { tokens, positions, cache }, {}, options.operators);
  const present = [...cache.next].map(([name, next]) => [`present.${name}`, reshape(next, { shape: table })]);
  return {
    outputs: {
      logits: reshape(logits, { shape: [batch, 1, vocabulary] }),
      ...(Object.fromEntries(present) as Graph["outputs"]),
    },
  };
}
