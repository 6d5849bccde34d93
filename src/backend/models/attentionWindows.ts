/** Which layers of a decoder attend to a window of earlier tokens: `layer_types`, and the older keys that imply them. */
import * as z from "zod";
import { positiveInt } from "./config";
import { range } from "./specs";

const layerType = z.enum(["full_attention", "sliding_attention"]);
type LayerType = z.output<typeof layerType>;

export const layerTypesKey = z
  .array(layerType)
  .nullable()
  .optional()
  .describe("The attention of each layer, in place of the keys that imply it.");

/** The keys of qwen2 and qwen3. */
export const windowKeys = {
  use_sliding_window: z
    .boolean()
    .default(false)
    .describe("Whether some layers use sliding-window attention."),
  sliding_window: positiveInt
    .nullable()
    .default(4096)
    .describe("Number of tokens in the window, including the current one."),
  max_window_layers: z.int().min(0).default(28).describe("First layer with a window."),
  layer_types: layerTypesKey,
};

/** The keys that `layer_types` belongs to. */
export interface LayerTypes {
  readonly num_hidden_layers: number;
  readonly layer_types?: readonly LayerType[] | null | undefined;
}
interface Windows extends LayerTypes {
  readonly use_sliding_window: boolean;
  readonly sliding_window: number | null;
  readonly max_window_layers: number;
}

/** Reports `layer_types` of another length, or with windows where the configuration has none. */
export function checkLayerTypes(
  config: LayerTypes,
  window: number | null,
  advice: string,
  context: z.RefinementCtx,
): void {
  const { layer_types: types, num_hidden_layers: layers } = config;
  const fault = (message: string) =>
    context.addIssue({ code: "custom", path: ["layer_types"], message, input: types });
  if (types == null) return;
  if (types.length !== layers)
    fault(`it has ${types.length} entries for ${layers} layers; write one for each`);
  else if (window === null && types.includes("sliding_attention"))
    fault(`sliding_attention needs a sliding_window${advice}`);
}

const getWindow = ({ use_sliding_window: isUsed, sliding_window: window }: Windows): number | null =>
  isUsed ? window : null;

export function checkWindows(config: Windows, context: z.RefinementCtx): void {
  checkLayerTypes(config, getWindow(config), ", and use_sliding_window: true", context);
}

/** Returns the attention of each layer. */
export function resolveLayerTypes(config: Windows): readonly LayerType[] {
  const isSliding = (layer: number) => getWindow(config) !== null && layer >= config.max_window_layers;
  return (
    config.layer_types ??
    range(config.num_hidden_layers).map((layer) =>
      isSliding(layer) ? "sliding_attention" : "full_attention",
    )
  );
}

/** Returns the window of each layer, for `DecoderParts`. */
export function createWindows(types: readonly LayerType[], window: number | null) {
  return (layer: number): number | null => (types[layer] === "sliding_attention" ? window : null);
}

/** The key to change when only these layers are kept. */
export const keepLayerTypes = (types: readonly LayerType[], layers: readonly number[]) => ({
  layer_types: layers.map((layer) => types[layer]!),
});
