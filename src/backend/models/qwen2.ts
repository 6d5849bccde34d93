/** Qwen2 (Yang et al. 2024): a llama with biases in q, k and v, and optional sliding-window attention in later layers. */
import * as z from "zod";
import { checkHeads, decoderKeys, inertKeys, positiveInt } from "./config";
import {
  buildDecoder,
  createDecoderFamily,
  createDecoderMatrices,
  createInputSources,
  projectSeparately,
  createSeparateProjections,
  separateRoles,
  tinyDecoder,
} from "./decoder";
import { defineModel } from "./family";
import { activations } from "./layers";
import { range } from "./specs";

const layerType = z.enum(["full_attention", "sliding_attention"]);

const configSchema = z
  .strictObject({
    model_type: z.literal("qwen2"),
    ...inertKeys,
    ...decoderKeys,
    hidden_size: decoderKeys.hidden_size.default(4096),
    intermediate_size: decoderKeys.intermediate_size.default(22016),
    num_key_value_heads: decoderKeys.num_key_value_heads.default(32),
    max_position_embeddings: decoderKeys.max_position_embeddings.default(32768),
    rms_norm_eps: decoderKeys.rms_norm_eps.default(1e-6),
    use_sliding_window: z
      .boolean()
      .default(false)
      .describe("Whether some layers use sliding-window attention."),
    sliding_window: positiveInt
      .nullable()
      .default(4096)
      .describe("Number of tokens in the window, including the current one."),
    max_window_layers: z.int().min(0).default(28).describe("First layer with a window."),
    layer_types: z
      .array(layerType)
      .nullable()
      .optional()
      .describe("The attention of each layer, in place of `max_window_layers`."),
  })
  .superRefine((value, context) => {
    checkHeads(value, context);
    const { layer_types: types, num_hidden_layers: layers } = value;
    const fault = (message: string) =>
      context.addIssue({ code: "custom", path: ["layer_types"], message, input: types });
    if (types == null) return;
    if (types.length !== layers)
      fault(`it has ${types.length} entries for ${layers} layers; write one for each`);
    else if (getWindow(value) === null && types.includes("sliding_attention"))
      fault("sliding_attention needs a sliding_window, and use_sliding_window: true");
  });

type Config = z.output<typeof configSchema>;

const getWindow = ({ use_sliding_window: isUsed, sliding_window: window }: Windows): number | null =>
  isUsed ? window : null;
type Windows = Pick<Config, "use_sliding_window" | "sliding_window">;

function resolveLayerTypes(config: Config): z.output<typeof layerType>[] {
  const isSliding = (layer: number) => getWindow(config) !== null && layer >= config.max_window_layers;
  return (
    config.layer_types ??
    range(config.num_hidden_layers).map((layer) =>
      isSliding(layer) ? "sliding_attention" : "full_attention",
    )
  );
}

export default defineModel<Config>({
  title: "Qwen2",
  config: configSchema,
  tiny: { model_type: "qwen2", ...tinyDecoder },
  ...createDecoderFamily<Config>("Qwen2"),
  matrices: (config) =>
    createDecoderMatrices(config, (layer) =>
      createSeparateProjections(config, layer, { queries: true, output: false, feedForward: false }),
    ),
  keepLayers: (config, layers) => ({ layer_types: layers.map((layer) => resolveLayerTypes(config)[layer]!) }),
  inputSources: (config) => createInputSources(config, separateRoles),
  hidden: (config, weights, inputs, options) => {
    const types = resolveLayerTypes(config);
    return buildDecoder(config, weights, inputs, options, {
      ...projectSeparately(weights, activations[config.hidden_act]!),
      window: (layer) => (types[layer] === "sliding_attention" ? config.sliding_window : null),
    });
  },
});
