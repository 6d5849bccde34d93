/** A folder for onnxruntime-genai: a decoder with keys and values of past tokens, and genai_config.json. */
import { join } from "node:path";
import * as z from "zod";
import { dimensionsOf, familyOf, type ModelShape } from "../models/model";
import { listSpecialIds, writeConfig, writeJson, writeTokenizer } from "./companions";
import { buildDecoderModel, decoderFormat, listGrowthNotices, refuseDecoder } from "./decoderGraph";
import { defineExporter, type ExportSubject } from "./exporter";
import { externalDataKey, writeOnnx } from "./onnxFile";
import { collectGraphWeights } from "./onnxGraph";

const optionsSchema = z.strictObject({
  ...externalDataKey,
});

export default defineExporter<z.output<typeof optionsSchema>>({
  title: "Folder for onnxruntime-genai",
  library: "onnxruntime-genai",
  options: optionsSchema,
  samples: [{}, { external_data: true }],
  form: "graph",
  refuses: refuseDecoder,
  write: async (subject, { external_data: external }, folder) => {
    const { shape, weights } = collectGraphWeights(subject, decoderFormat.operators);
    const model = buildDecoderModel(shape, weights);
    writeOnnx(folder, fileName, model, { external });
    const inputs = new Set(model.inputs.map(({ name }) => name));
    writeJson(join(folder, "genai_config.json"), createConfig(subject, inputs));
    writeConfig(subject, folder);
    writeTokenizer(subject, folder);
    return listGrowthNotices(shape);
  },
});

const fileName = "model.onnx";

/** Settings of the search that generation_config.json has under the same name. */
const searchDefaults = { do_sample: false, temperature: 1, top_k: 50, top_p: 1, repetition_penalty: 1 };

function createConfig(subject: ExportSubject, inputs: ReadonlySet<string>): Record<string, unknown> {
  const { shape, generationConfig = {} } = subject;
  const { vocabulary, layers, width, heads, kvHeads, headDim } = dimensionsOf(shape);
  const ids = Object.entries(listSpecialIds(subject)).map(([key, id]) => [key, generationConfig[key] ?? id]);
  const length = findLongestText(shape);
  const present = (names: readonly string[]) =>
    Object.fromEntries(names.filter((name) => inputs.has(name)).map((name) => [name, name]));
  const search = Object.entries(searchDefaults).map(([key, value]) => [key, generationConfig[key] ?? value]);
  return {
    model: {
      // A decoder whose inputs and outputs are named here, whatever its family.
      type: "decoder",
      vocab_size: vocabulary,
      context_length: length,
      ...Object.fromEntries(ids.filter(([, id]) => id !== null)),
      decoder: {
        filename: fileName,
        session_options: { provider_options: [] },
        num_hidden_layers: layers,
        hidden_size: width,
        num_attention_heads: heads,
        num_key_value_heads: kvHeads,
        head_size: headDim,
        inputs: {
          ...present(["input_ids", "attention_mask", "position_ids"]),
          past_key_names: "past_key_values.%d.key",
          past_value_names: "past_key_values.%d.value",
        },
        outputs: {
          logits: "logits",
          present_key_names: "present.%d.key",
          present_value_names: "present.%d.value",
        },
      },
    },
    search: { ...Object.fromEntries(search), max_length: length, past_present_share_buffer: false },
  };
}

/** Tokens of a text, prompt and new ones together. */
function findLongestText(shape: ModelShape): number {
  const { context } = dimensionsOf(shape);
  return Math.min(context, familyOf(shape.family).longestGrowth?.(shape.config) ?? context);
}
