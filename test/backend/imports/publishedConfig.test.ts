import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type * as z from "zod";
import { describe, expect, it } from "vitest";
import { readModelFolder } from "../../../src/backend/imports/huggingFaceFolder";
import { models } from "../../../src/backend/models/catalog";
import { isInert, resolveRopeTheta } from "../../../src/backend/models/config";
import { createShape } from "../../../src/backend/models/model";
import { createTemporaryFolder } from "../../support/subject";

type Config = Readonly<Record<string, unknown>>;
interface Fixture {
  readonly families: Readonly<
    Record<string, { readonly defaults: Config; readonly earlier: Config; readonly reads: readonly string[] }>
  >;
}
/** What transformers writes and reads, by `scripts/reference/configs.py`. */
const { families } = JSON.parse(readFileSync("test/fixtures/models/configs.json", "utf8")) as Fixture;

function read(config: Config) {
  using folder = createTemporaryFolder();
  writeFileSync(join(folder.path, "config.json"), JSON.stringify(config));
  const { shape, notices } = readModelFolder(folder.path);
  return { shape, notices: notices.map((line) => line.replaceAll(folder.path, "")) };
}

function refusal(config: Config): string {
  try {
    return `accepted: ${read(config).notices.join()}`;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

const gpt2 = { model_type: "gpt2", vocab_size: 9, n_embd: 8, n_layer: 1, n_head: 2 };
const llama = { model_type: "llama", vocab_size: 9, hidden_size: 8, num_attention_heads: 2 };

describe.each(Object.entries(families))("a %s configuration", (family, { defaults, earlier, reads }) => {
  const fields = (models[family]!.config as unknown as z.ZodObject).shape as Record<string, z.ZodType>;

  it("loads as transformers writes it, and is the family's default", () => {
    const { shape, notices } = read(defaults);
    const plain = createShape({ model_type: family, vocab_size: defaults["vocab_size"] });
    for (const [key, value] of Object.entries(plain.config))
      if (!key.startsWith("rope_")) expect([key, shape.config[key]]).toEqual([key, value]);
    expect(notices.length).toBeLessThanOrEqual(1);
    expect(notices.join()).toMatch(/^\/config.json: ignored keys .*chunk_size_feed_forward.*use_cache/);
  });

  it("loads with every key of earlier versions, alone and together", () => {
    const kind = { gpt2: "GPT2LMHeadModel", llama: "LlamaForCausalLM", phi3: "Phi3ForCausalLM" }[family];
    const written = { ...defaults, architectures: [kind] };
    for (const [key, value] of Object.entries(earlier)) read({ ...written, [key]: value });
    const { shape, notices } = read({ ...written, ...earlier });
    expect(notices.join()).toMatch(/^\/config.json: ignored keys .*max_length.*typical_p/);
    expect(shape.representations).toEqual({});
  });

  it("loads with a null in place of any key that matters", () => {
    const needed = ["model_type", "architectures", "vocab_size"];
    for (const key of Object.keys(fields))
      if (!needed.includes(key)) expect(read({ ...defaults, [key]: null }).shape.family).toBe(family);
  });

  it("lists every key that transformers' model reads", () => {
    const known = (key: string) =>
      (Object.hasOwn(fields, key) && !isInert(fields[key]!)) ||
      Object.hasOwn(models[family]!.aliases ?? {}, key);
    // Of heads that are not read, of the token that fills up a batch, and of speed alone.
    const other =
      /^(summary_\w+|classifier_dropout|hidden_dropout|pad_token_id|problem_type|use_cache|reorder_and_upcast_attn|original_max_position_embeddings)$/;
    expect(reads.filter((key) => !known(key) && !other.test(key))).toEqual([]);
  });

  it("is recognized by its architecture without model_type", () => {
    const { model_type: _, ...rest } = defaults;
    for (const suffix of ["ForCausalLM", "LMHeadModel", "Model"]) {
      const names = { gpt2: "GPT2", llama: "Llama", phi3: "Phi3" } as Record<string, string>;
      expect(read({ ...rest, architectures: [`${names[family]}${suffix}`] }).shape.family).toBe(family);
    }
    expect(refusal(rest)).toMatch(/config.json: The model has no model_type; known are/);
  });
});

describe("a key that changes the result", () => {
  it.each([
    [{ ...gpt2, scale_attn_weights: false }, /scale_attn_weights: only true is supported/],
    [{ ...gpt2, scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx: only false/],
    [{ ...gpt2, add_cross_attention: true }, /add_cross_attention: only false/],
    [{ ...gpt2, activation_function: "mish" }, /activation_function/],
    [
      { ...gpt2, pruned_heads: { 0: [1] } },
      /pruned_heads is \{"0":\[1\]\}, but layers with different numbers/,
    ],
    [{ ...gpt2, is_encoder_decoder: true }, /is_encoder_decoder is true/],
    [{ ...gpt2, per_layer_config: { 0: { n_inner: 4 } } }, /per_layer_config is/],
    [{ ...gpt2, hidden_size: 16 }, /hidden_size is 16 and n_embd is 8, but both set the same size/],
    [{ ...llama, compression_config: { format: "int" } }, /compression_config is/],
    [{ ...llama, quantization_config: { bits: 4 } }, /quantization_config is \{"bits":4\}, but quantized/],
    [{ ...llama, partial_rotary_factor: 0.5 }, /partial_rotary_factor: only 1/],
    [{ ...llama, hidden_act: "mish" }, /hidden_act/],
    [{ ...llama, rope_scaling: { type: "linear", factor: 2 } }, /rope_scaling: .* scaled \("linear"\)/],
    [{ ...llama, rope_scaling: { rope_type: "llama3" } }, /rope_scaling: .* scaled \("llama3"\)/],
    [
      { ...llama, rope_parameters: { rope_type: "yarn", factor: 4 } },
      /rope_parameters: .* scaled \("yarn"\)/,
    ],
    [
      { ...llama, rope_parameters: { rope_type: "default", partial_rotary_factor: 0.5 } },
      /rope_parameters.partial_rotary_factor: only 1/,
    ],
    [{ ...llama, hidden_size: "8" }, /hidden_size/],
  ])("%o is refused by name, with the file once", (config, reason) => {
    const message = refusal(config);
    expect(message).toMatch(reason);
    expect(message.split("config.json")).toHaveLength(2);
  });
});

it("may use the common key names of transformers", () => {
  const { shape } = read({
    model_type: "gpt2",
    vocab_size: 9,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 5,
  });
  expect(shape.config).toMatchObject({ n_embd: 8, n_layer: 1, n_head: 2, n_positions: 5 });
});

it("suggests the key that was probably meant, and ignores what the schema of an experiment refuses", () => {
  expect(read({ ...gpt2, n_iner: 4, n_special: 0 }).notices.join()).toMatch(
    /n_iner \(did you mean n_inner\?\), n_special\.$/,
  );
  expect(() => createShape({ ...gpt2, n_iner: 4 })).toThrow(/Unknown key n_iner.*Did you mean n_inner/);
});

it("reads the rotary base from the same keys as transformers", () => {
  const base = (config: Config) => resolveRopeTheta(read({ ...llama, ...config }).shape.config as never);
  expect(base({})).toBe(10_000);
  expect(base({ rope_theta: 5 })).toBe(5);
  expect(base({ rope_theta: 5, rope_parameters: { rope_theta: 7 } })).toBe(7);
  expect(base({ rope_theta: 5, rope_parameters: { rope_type: "default" } })).toBe(5);
  expect(base({ rope_theta: 5, rope_parameters: { rope_theta: 7 }, rope_scaling: { type: "default" } })).toBe(
    5,
  );
  expect(base({ rope_parameters: { rope_theta: 7 }, rope_scaling: {} })).toBe(7);
});
