/** Tiny models of each family, and their training steps as graphs. */
import { type TrainOptions, trainSchema } from "../../src/schema/experiment";
import { initialize } from "../../src/backend/models/initialize";
import { type ModelShape, createShape } from "../../src/backend/models/model";
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import { createTrainee } from "../../src/backend/training/trainee";
import { buildTrainStep, type StatefulGraph } from "../../src/backend/training/trainStep";

const decoder = {
  hidden_size: 16,
  intermediate_size: 24,
  num_attention_heads: 4,
  max_position_embeddings: 16,
  tie_word_embeddings: false,
};
const configs = {
  gpt2: { n_positions: 16, n_embd: 16, n_head: 2, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
  llama: { ...decoder, num_key_value_heads: 2 },
  phi3: decoder,
  kphi3: { ...decoder, min_channels_per_group: 4 },
} as const;
export type TinyName = keyof typeof configs;
export const tinyNames = Object.keys(configs) as TinyName[];

/** A model of width 16 over 32 tokens unless `changes` overrides this. */
export function createTinyShape(
  name: TinyName,
  { layers = 2, ...changes }: { layers?: number } & Readonly<Record<string, unknown>> = {},
): ModelShape {
  const depth = name === "gpt2" ? { n_layer: layers } : { num_hidden_layers: layers };
  return createShape({ model_type: name, vocab_size: 32, ...depth, ...configs[name], ...changes });
}

export function createTrainOptions(options: Readonly<Record<string, unknown>> = {}): TrainOptions {
  return trainSchema.parse(options);
}

export function createTinyTrainStep(
  name: TinyName,
  options: Readonly<Record<string, unknown>> = {},
): StatefulGraph {
  const batch = { rows: 2, length: 8, segments: false, positions: false };
  return buildTrainStep(
    createTrainee(createTinyShape(name, { layers: 1 })),
    batch,
    createTrainOptions(options),
  );
}

export function drawWeights(shape: ModelShape, seed = 0): HostTensors {
  return initialize(shape, seed);
}
