import { representations } from "../../../src/backend/representations/catalog";
import { describe, expect, it } from "vitest";
import { WorkbenchError } from "../../../src/protocol/errors";
import { dimensionsOf, createShape, withRepresentations } from "../../../src/backend/models/model";

const llama = { model_type: "llama", vocab_size: 64, hidden_size: 32, num_attention_heads: 4 };

const llama3 = { rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 };

/** The error message of a configuration. */
function refusal(config: Record<string, unknown>): string {
  try {
    createShape(config);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(WorkbenchError);
    return (thrown as WorkbenchError).message;
  }
  return "accepted";
}

describe("a configuration", () => {
  it("may be a real config.json, with keys that do not affect the function", () => {
    const { config } = createShape({
      ...llama,
      architectures: ["LlamaForCausalLM"],
      torch_dtype: "float16",
      transformers_version: "4.40.0",
      bos_token_id: 1,
      eos_token_id: [2, 3],
      use_cache: true,
      pretraining_tp: 1,
      rope_scaling: null,
      attention_bias: false,
      _name_or_path: "somebody/model",
    });
    expect(config).toMatchObject({ eos_token_id: [2, 3], rope_theta: 10_000, num_hidden_layers: 32 });
  });

  it("has Hugging Face's defaults", () => {
    const small = createShape({ model_type: "gpt2", vocab_size: 50257 });
    expect(dimensionsOf(small)).toEqual({
      vocabulary: 50257,
      context: 1024,
      layers: 12,
      width: 768,
      heads: 12,
      kvHeads: 12,
      headDim: 64,
    });
    expect(createShape({ model_type: "phi3", vocab_size: 9 }).config).toMatchObject({
      hidden_size: 3072,
      intermediate_size: 8192,
      rms_norm_eps: 1e-5,
    });
  });

  it.each([
    [{ ...llama, hidden_sise: 8 }, /Unknown key hidden_sise.*hidden_size/],
    [{ ...llama, num_attention_heads: 5 }, /5 heads do not divide the width hidden_size 32/],
    [{ ...llama, num_key_value_heads: 3 }, /3 key and value heads do not divide the 4 query heads/],
    [{ ...llama, num_attention_heads: 32 }, /even/],
    [{ ...llama, hidden_size: -32 }, /hidden_size/],
    [{ ...llama, num_hidden_layers: 1.5 }, /num_hidden_layers/],
    [
      { ...llama, rope_scaling: { type: "ntk", factor: 2 } },
      /rope_scaling.type: .*"ntk" are not supported; allowed are default, linear, dynamic, llama3, yarn, longrope/,
    ],
    [
      { ...llama, rope_parameters: { rope_type: "llama3", rope_theta: 1e4 } },
      /rope_parameters.factor: .*need factor/,
    ],
    [
      { ...llama, rope_scaling: { type: "linear", factor: 2, beta_fast: 3 } },
      /rope_scaling.beta_fast: .*"linear" do not use beta_fast/,
    ],
    [
      { ...llama, rope_parameters: { ...llama3, high_freq_factor: 1 } },
      /high_freq_factor: it has to be greater than low_freq_factor 1/,
    ],
    [
      { ...llama, rope_parameters: { rope_type: "longrope", short_factor: [1, 1, 1, 1], long_factor: [1] } },
      /rope_parameters.long_factor: it has 1 factors for 4 pairs/,
    ],
    [{ ...llama, partial_rotary_factor: 0.5 }, /partial_rotary_factor: only 1/],
    [
      { model_type: "phi3", vocab_size: 4, rope_scaling: { type: "linear", factor: 2 } },
      /"linear" are not supported; allowed are default, longrope, su, yarn/,
    ],
    [
      {
        model_type: "kphi3",
        vocab_size: 4,
        rope_scaling: { type: "su", short_factor: [1], long_factor: [1] },
      },
      /1 factors for 48 pairs/,
    ],
    [{ model_type: "gpt_neox", vocab_size: 4, head_dim: 8 }, /head_dim: .*= 96 channels/],
    [{ model_type: "gpt_neox", vocab_size: 4, rotary_pct: 0.01 }, /0 of the 96 channels/],
    [
      { model_type: "opt", vocab_size: 4, word_embed_proj_dim: 512 },
      /word_embed_proj_dim: .*hidden_size 768/,
    ],
    [{ model_type: "opt", vocab_size: 4, do_layer_norm_before: false }, /do_layer_norm_before: only true/],
    [{ model_type: "opt", vocab_size: 4, layerdrop: 0.1 }, /layerdrop: only 0/],
    [{ model_type: "phi", vocab_size: 4, qk_layernorm: true }, /qk_layernorm: only false/],
    [{ model_type: "gemma2", vocab_size: 4, layer_types: ["full_attention"] }, /1 entries for 26 layers/],
    [{ model_type: "gemma2", vocab_size: 4, sliding_window: null }, /needs a sliding_window/],
    [{ model_type: "gemma2", vocab_size: 4, use_bidirectional_attention: true }, /only false/],
    [
      { model_type: "gemma3_text", vocab_size: 4, rope_scaling: { rope_type: "yarn", factor: 2 } },
      /"yarn" are not supported; allowed are default, linear/,
    ],
    [
      { model_type: "gemma3_text", vocab_size: 4, attn_logit_softcapping: 50 },
      /attn_logit_softcapping: only null/,
    ],
    [{ model_type: "qwen3", vocab_size: 4, head_dim: 5 }, /heads of 5 channels cannot be rotated in pairs/],
    [{ model_type: "qwen3", vocab_size: 4, layer_types: ["sliding_attention"] }, /1 entries for 32 layers/],
    [{ ...llama, hidden_act: "mish" }, /hidden_act/],
    [{ ...llama, model_type: "lama" }, /Unknown model_type "lama".*Did you mean llama/],
    [{ vocab_size: 4 }, /no model_type/],
    [
      { model_type: "gpt2", vocab_size: 4, n_embd: 10, n_head: 3 },
      /3 heads do not divide the width n_embd 10/,
    ],
    [{ model_type: "gpt2", vocab_size: 4, add_cross_attention: true }, /no encoder/],
    [{ model_type: "kphi3", vocab_size: 4, min_channels_per_group: 0 }, /at least one channel/],
    [{ model_type: "kphi3", vocab_size: 4, embed_size: 64 }, /has to equal hidden_size 3072/],
    [{ model_type: "phi3", vocab_size: 4, partial_rotary_factor: 0.99 }, /95 of the 96 channels/],
    [{ model_type: "kphi3", vocab_size: 4, partial_rotary_factor: 0.75 }, /all channels/],
  ])("%o is refused with the reason", (config, reason) => {
    expect(refusal(config)).toMatch(reason);
  });

  it("may specify the rotary base like newer files", () => {
    expect(refusal({ ...llama, rope_parameters: { rope_type: "default", rope_theta: 5e5 } })).toBe(
      "accepted",
    );
  });

  it("of phi3 with groups equals that of kphi3", () => {
    const sizes = {
      vocab_size: 32,
      hidden_size: 64,
      intermediate_size: 192,
      num_hidden_layers: 2,
      num_attention_heads: 4,
    };
    const phi3 = createShape({ model_type: "phi3", ...sizes, min_channels_per_group: 16 });
    const kphi3 = createShape({ model_type: "kphi3", ...sizes, min_channels_per_group: 16 });
    expect(phi3.representations).toEqual(kphi3.representations);
    expect(Object.keys(createShape({ model_type: "phi3", ...sizes }).representations)).toEqual([]);
  });
});

describe("a choice of representations", () => {
  const shape = createShape({ model_type: "gpt2", vocab_size: 8, n_embd: 8, n_layer: 1, n_head: 2 });
  const choose = (role: string, type: string, options: Record<string, unknown> = {}) =>
    withRepresentations(shape, { [role]: { type, options } });

  it("is refused for a missing role, with the nearest one", () => {
    expect(() => choose("layers.0.mlp.up_prj", "masked")).toThrow(/Did you mean layers.0.mlp.up_proj/);
  });

  it("is refused for an unknown representation, and for options it does not have", () => {
    expect(() => choose("layers.0.mlp.up_proj", "mask")).toThrow(
      `known are ${Object.keys(representations).join(", ")}`,
    );
    expect(() => choose("layers.0.mlp.up_proj", "masked", { sparsity: 0.5 })).toThrow(/sparsity/);
    expect(() => choose("embed_tokens", "grouped", { min_channels_per_group: 2 })).toThrow(/read|looked up/);
  });

  it("is for a packed matrix or for its parts, not for both", () => {
    const parts = choose("layers.0.self_attn.v_proj", "masked");
    expect(() =>
      withRepresentations(parts, { "layers.0.self_attn.qkv_proj": { type: "masked", options: {} } }),
    ).toThrow(/one of its parts/);
  });
});
