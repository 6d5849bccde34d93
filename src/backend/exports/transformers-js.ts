/**
 * A folder for transformers.js: `onnx/model.onnx` beside the configuration and the tokenizer. A decoder continues texts with
 * keys and values of past tokens; an encoder has logits of hidden tokens or of classes, or the hidden states themselves.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import type { DynamicAxis } from "../graph/dynamicOnnx";
import { iota } from "../graph/functions";
import type { Graph } from "../graph/graph";
import type { OnnxModel } from "../graph/onnx";
import { reshape, slice } from "../graph/ops/movement";
import { getLabelCount } from "../models/classifier";
import { buildInferenceForward, buildInferenceHidden } from "../models/inference";
import { dimensionsOf, familyOf, listMatrixSlots, type ModelShape } from "../models/model";
import { listHeadSizes, writeConfig, writeTokenizer } from "./companions";
import { buildDecoderModel, decoderFormat, listGrowthNotices, refuseDecoder } from "./decoderGraph";
import { defineExporter } from "./exporter";
import { externalDataKey, writeOnnx } from "./onnxFile";
import {
  batchSamples,
  chooseTimeSamples,
  collectGraphWeights,
  countPositions,
  createIdsInput,
  encodeDynamicGraph,
  type GraphWeights,
} from "./onnxGraph";

const optionsSchema = z.strictObject({
  ...externalDataKey,
  output: z
    .enum(["logits", "last_hidden_state"])
    .default("logits")
    .describe(
      "Output of an encoder: `logits` of hidden tokens or classes, or `last_hidden_state` for feature extraction.",
    ),
});
type Options = z.output<typeof optionsSchema>;

export default defineExporter<Options>({
  title: "Folder for transformers.js",
  library: "transformers.js",
  options: optionsSchema,
  samples: [{}, { external_data: true }, { output: "last_hidden_state" }],
  form: "graph",
  refuses,
  write: async (subject, options, folder) => {
    const { shape, weights } = collectGraphWeights(subject, decoderFormat.operators);
    const model = isDecoder(shape)
      ? buildDecoderModel(shape, weights)
      : buildEncoderModel(shape, options, weights);
    const graphs = join(folder, "onnx");
    mkdirSync(graphs);
    const { hasDataFile } = writeOnnx(graphs, "model.onnx", model, { external: options.external_data });
    writeConfig(subject, folder, "float32", {
      // Otherwise it computes a past without sizes.
      ...listHeadSizes(shape),
      "transformers.js_config": {
        // The file's name has no suffix, whatever its matrices are; otherwise browsers look for model_quantized.onnx.
        dtype: "fp32",
        ...(hasDataFile ? { use_external_data_format: true } : {}),
      },
    });
    writeTokenizer(subject, folder);
    return isDecoder(shape) ? listGrowthNotices(shape) : [];
  },
});

const isDecoder = ({ family }: ModelShape): boolean => familyOf(family).mask === "causal";

function refuses(shape: ModelShape, { output }: Options): string | undefined {
  const { family, config } = shape;
  if (family === "kphi3") return "there is no class for kphi3 in transformers.js";
  const { heads } = familyOf(family);
  if (isDecoder(shape)) {
    if (getLabelCount(config) !== undefined)
      return `there is no class ${heads.classes.architecture} in transformers.js`;
    return output === "logits" ? refuseDecoder(shape) : "only encoders have the output last_hidden_state";
  }
  if (output === "last_hidden_state" && getLabelCount(config) !== undefined)
    return "it is a classifier, whose output is logits";
  const { context } = dimensionsOf(shape);
  return chooseTimeSamples(context) === undefined
    ? `it has ${context} positions, which are too few for a graph with sequences of any length`
    : undefined;
}

function buildEncoderModel(shape: ModelShape, options: Options, weights: GraphWeights): OnnxModel {
  const times = chooseTimeSamples(dimensionsOf(shape).context)!;
  const axes: DynamicAxis[] = [
    { name: "batch_size", input: "input_ids", axis: 0, sizes: batchSamples },
    { name: "sequence_length", input: "input_ids", axis: 1, sizes: times },
  ];
  return encodeDynamicGraph(
    axes,
    (sample) => buildEncoderGraph(shape, options, [batchSamples[sample]!, times[sample]!]),
    decoderFormat,
    weights,
  );
}

/**
 * `input_ids`, `attention_mask` and `token_type_ids` [batch, time] → `logits` [batch, time, vocabulary] or [batch, classes],
 * or `last_hidden_state` [batch, time, width].
 */
function buildEncoderGraph(
  shape: ModelShape,
  { output }: Options,
  [batch, time]: readonly [number, number],
): Graph {
  const mask = createIdsInput("attention_mask", [batch, time]);
  const inputs = {
    tokens: createIdsInput("input_ids", [batch, time]),
    segments: mask,
    ...countPositions(shape, mask),
    ...(countTokenTypes(shape) > 1 ? { types: createIdsInput("token_type_ids", [batch, time]) } : {}),
  };
  const { vocabulary, width } = dimensionsOf(shape);
  const { operators } = decoderFormat;
  if (output === "last_hidden_state") {
    const hidden = buildInferenceHidden(shape, inputs, operators);
    return { outputs: { [output]: reshape(hidden, { shape: [batch, time, width] }) } };
  }
  if (getLabelCount(shape.config) === undefined) {
    const logits = buildInferenceForward(shape, inputs, {}, operators);
    return { outputs: { logits: reshape(logits, { shape: [batch, time, vocabulary] }) } };
  }
  const tokens = reshape(iota(batch * time), { shape: [batch, time] });
  const firsts = reshape(slice(tokens, { axis: 1, start: 0, end: 1 }), { shape: [batch] });
  return { outputs: { logits: buildInferenceForward(shape, inputs, { rows: firsts }, operators) } };
}

function countTokenTypes(shape: ModelShape): number {
  const table = listMatrixSlots(shape).find(({ matrix }) => matrix.purpose === "type embedding");
  return table?.matrix.axes[0].units ?? 0;
}
