/** A small catalog with the kinds of schemas that models, methods and metrics define. */
import * as z from "zod";
import type { SchemaCatalog } from "../../../src/schema/experiment";

const width = z.int().positive();

const phi3 = z
  .strictObject({
    vocab_size: width.optional().describe("Tokens."),
    hidden_size: width.default(3072).describe("Width."),
    num_attention_heads: width.default(32).describe("Heads."),
    num_hidden_layers: width.default(32).describe("Layers."),
    max_position_embeddings: width.default(4096).describe("Longest sequence."),
    min_channels_per_group: z.int().default(-1).describe("Channels of a group."),
    init: z.enum(["paper", "fan_in"]).default("paper").describe("Initial weights."),
    use_cache: z.unknown().optional(),
  })
  .superRefine(({ hidden_size, num_attention_heads }, context) => {
    if (hidden_size % num_attention_heads !== 0)
      context.addIssue({
        code: "custom",
        path: ["num_attention_heads"],
        message: `${num_attention_heads} heads do not divide the width ${hidden_size}`,
      });
  });

const gpt2 = z.strictObject({
  model_type: z.literal("gpt2"),
  vocab_size: width.default(50257).describe("Tokens."),
  n_embd: width.describe("Width."),
  n_positions: width.default(1024).describe("Longest sequence."),
  resid_pdrop: z.number().min(0).max(0.999).default(0.1).describe("Dropout."),
});

export const catalog: SchemaCatalog = {
  models: { phi3, gpt2 },
  methods: {
    magnitude: z.strictObject({
      sparsity: z.number().min(0).max(1).default(0.5).describe("Share of zeros."),
      mask_structure: z
        .string()
        .regex(/^\d+:\d+$/, "is written as kept:of, such as 2:4")
        .optional()
        .describe("n:m pattern."),
      targets: z.array(z.string()).default(["projections"]).describe("Roles."),
    }),
    wanda: z.strictObject({ samples: z.int().positive().default(128).describe("Calibration samples.") }),
  },
  caches: {
    window: z.strictObject({ budget: z.number().positive().default(0.25).describe("Tokens to keep.") }),
  },
  prompts: {},
  merges: {},
  metrics: {
    perplexity: z.strictObject({
      stride: z.int().positive().optional().describe("Tokens between windows."),
      context: z.int().positive().optional().describe("Tokens of a window."),
    }),
    generate: z.strictObject({
      prompts: z.array(z.string()).min(1).describe("Beginnings to continue."),
      max_new_tokens: z.int().positive().default(64).describe("Tokens to write."),
    }),
  },
  exports: { safetensors: z.strictObject({}), onnx: z.strictObject({ opset: z.int().default(17) }) },
  reports: { counts: z.strictObject({}) },
};
