import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readCode } from "../../../src/backend/coding/packedWords";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { exporters } from "../../../src/backend/exports/catalog";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel } from "../../../src/backend/imports/importModel";
import {
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { createUniform } from "../../support/sampleValues";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";

const wide = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 };
const wideGpt2 = { n_embd: 64, n_head: 4 };

type Options = Readonly<Record<string, unknown>>;
const codesOf = (options: Options) => ({
  type: "quantised",
  options: { bits: 4, symmetric: true, residual: 0, ...options },
});

/** A model whose projections of these roles are quantized. */
function createCoded(options: Options, family = "llama", pattern = /./): ModelShape {
  const shape = createTinyShape(family, family === "gpt2" ? wideGpt2 : wide);
  const roles = listMatrixSlots(shape).filter(
    ({ matrix }) => matrix.kind === "projection" && pattern.test(matrix.role),
  );
  return withRepresentations(
    shape,
    Object.fromEntries(roles.map(({ matrix }) => [matrix.role, codesOf(options)])),
  );
}

/** Codes and zero points over the whole range of their bits. */
function drawCodes(shape: ModelShape): HostTensors {
  const random = createUniform(7);
  const drawn = new Map(drawModelTensors(shape, 7));
  for (const { name, shape: size, dtype, packing } of parametersOf(shape)) {
    const { bits = 8 } = packing?.integers ?? {};
    const draw = () => Math.floor(2 ** bits * random()) - 2 ** (bits - 1);
    if (dtype === "int8")
      drawn.set(name, { shape: size, data: (drawn.get(name)!.data as Int8Array).map(draw) });
  }
  return drawn;
}

interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: ArrayBuffer;
}

/** The tensors of a file by the specification of safetensors. */
function readFile(path: string): ReadonlyMap<string, StoredTensor> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== "__metadata__")
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]) => [
          name,
          { dtype, shape, bytes: Uint8Array.from(file.subarray(start + from, start + to)).buffer },
        ],
      ),
  );
}

const readFloats = ({ dtype, bytes }: StoredTensor): Float32Array => {
  expect(dtype).toBe("F32");
  return new Float32Array(bytes);
};

interface Folder {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly config: Readonly<Record<string, unknown>> & { readonly quantization?: Options };
  readonly notices: string;
}

async function write(shape: ModelShape, tensors: HostTensors, options: Options = {}): Promise<Folder> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  const written = { format: "mlx", dtype: "float32", ...options };
  const { notices } = await exportModel({ shape, tensors }, written, target);
  const files = readdirSync(target).filter((name) => name.endsWith(".safetensors"));
  return {
    tensors: new Map(files.flatMap((name) => [...readFile(join(target, name))])),
    config: JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Folder["config"],
    notices: notices.join("\n"),
  };
}

/** The matrices as Lathe writes them for transformers. */
async function writeDense(shape: ModelShape, tensors: HostTensors) {
  using folder = createTemporaryFolder();
  await exportModel({ shape, tensors }, { format: "safetensors" }, join(folder.path, "out"));
  return readFile(join(folder.path, "out", "model.safetensors"));
}

/** [outputs, inputs] by MLX's own formula, scale · code + bias. */
function dequantize(
  tensors: Folder["tensors"],
  module: string,
  { bits, group_size: size }: { readonly bits: number; readonly group_size: number },
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const packed = tensors.get(`${module}.weight`)!;
  expect(packed.dtype).toBe("U32");
  const [scales, biases] = ["scales", "biases"].map((name) => readFloats(tensors.get(`${module}.${name}`)!));
  const [outputs, width] = packed.shape as [number, number];
  const inputs = (width * 32) / bits;
  expect(tensors.get(`${module}.scales`)!.shape).toEqual([outputs, inputs / size]);
  const words = new Int32Array(packed.bytes);
  const data = Float32Array.from({ length: outputs * inputs }, (_, i) => {
    const [output, input] = [Math.floor(i / inputs), i % inputs];
    const code = readCode({ words, at: output * width, stride: 1, bits }, input);
    const group = output * (inputs / size) + Math.floor(input / size);
    return scales![group]! * code + biases![group]!;
  });
  return { shape: [outputs, inputs], data };
}

describe("the codes of a model are those of the folder", () => {
  it.each<[Options, { bits: number; group_size: number }]>([
    [{ group_size: 32 }, { bits: 4, group_size: 32 }],
    [
      { group_size: 32, symmetric: false },
      { bits: 4, group_size: 32 },
    ],
    [
      { bits: 2, group_size: 32, symmetric: false },
      { bits: 2, group_size: 32 },
    ],
    [
      { bits: 3, group_size: 32, symmetric: false },
      { bits: 3, group_size: 32 },
    ],
    [
      { bits: 5, group_size: 32 },
      { bits: 5, group_size: 32 },
    ],
    [
      { bits: 6, group_size: 32, symmetric: false },
      { bits: 6, group_size: 32 },
    ],
    [
      { bits: 7, group_size: 32 },
      { bits: 8, group_size: 32 },
    ],
    [
      { bits: 8, symmetric: false },
      { bits: 8, group_size: 32 },
    ],
  ])("%o", async (options, form) => {
    for (const family of ["llama", "phi3", "gpt2"]) {
      const shape = createCoded(options, family);
      const tensors = drawCodes(shape);
      const { tensors: coded, config, notices } = await write(shape, tensors, { max_shard_size: "30KB" });
      const dense = await writeDense(shape, tensors);
      const modules = [...coded.keys()].filter((name) => name.endsWith(".scales"));
      expect(modules.length).toBe(
        listMatrixSlots(shape).filter(({ matrix }) => matrix.kind === "projection").length,
      );
      const quantization = config.quantization as { [module: string]: typeof form | undefined };
      for (const name of modules) {
        const module = name.replace(/\.scales$/, "");
        const own = quantization[module] ?? (quantization as unknown as typeof form);
        // Of a matrix with one group, as many inputs share a scale as its size allows.
        expect(own.bits).toBe(form.bits);
        if (options["group_size"] !== undefined) expect(own.group_size).toBe(form.group_size);
        const found = dequantize(coded, module, own);
        const stored = dense.get(
          `${family === "gpt2" ? module.replace("model.", "transformer.") : module}.weight`,
        )!;
        const weight = readFloats(stored);
        const [outputs, inputs] = found.shape as [number, number];
        const turned = family === "gpt2";
        expect(stored.shape).toEqual(turned ? [inputs, outputs] : [outputs, inputs]);
        const largest = weight.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
        const wrong = found.data.findIndex((value, i) => {
          const place = turned ? (i % inputs) * outputs + Math.floor(i / inputs) : i;
          return Math.abs(value - weight[place]!) > 3e-6 * largest;
        });
        expect(wrong, module).toBe(-1);
      }
      expect(notices).toMatch(/The tensors take [\d,]+ bytes/);
      expect(notices).not.toMatch(/nothing is saved|do not fit/);
    }
  });

  it("with another form of single matrices by name", async () => {
    const shape = withRepresentations(createCoded({ group_size: 32 }, "gpt2"), {
      "layers.1.mlp.down_proj": codesOf({ bits: 8 }),
    });
    const { config } = await write(shape, drawCodes(shape));
    expect(config.quantization).toEqual({
      bits: 4,
      group_size: 32,
      mode: "affine",
      "model.h.1.mlp.c_proj": { bits: 8, group_size: 128 },
    });
  });

  it("keeps masked weights at zero, also with rounded scales", async () => {
    const shape = createCoded({ group_size: 32, kept: 20 });
    const { tensors, notices } = await write(shape, drawCodes(shape), { dtype: "float16" });
    expect(notices).toMatch(/Scales are rounded to float16, by 0.0\d+ % at most/);
    const [scales, biases] = ["scales", "biases"].map(
      (name) => new Uint16Array(tensors.get(`model.layers.0.mlp.up_proj.${name}`)!.bytes),
    );
    // The code of zero is 8, so a bias is minus eight scales: the sign, and an exponent that is larger by three.
    scales!.forEach((scale, i) => expect(biases![i]! ^ 0x8000).toBe(scale + (3 << 10)));
  });
});

describe("what does not fit is written as floats", () => {
  it.each<[string, Options]>([
    ["small groups", { group_size: 16 }],
    ["a low-rank product", { group_size: 32, residual: 2 }],
    ["zero points in float32", { group_size: 32, symmetric: false, float_zeros: true }],
  ])("%s", async (_, options) => {
    const shape = createCoded(options, "llama", /mlp/);
    const tensors = drawModelTensors(shape, 7);
    const { tensors: found, config, notices } = await write(shape, tensors);
    const dense = await writeDense(shape, tensors);
    expect(found).toEqual(dense);
    expect(config).not.toHaveProperty("quantization");
    expect(notices).toMatch(
      /6 matrices \(layers.0.mlp.gate_proj, .*\): quantized codes do not fit MLX as they are, so they are written as float32/,
    );
  });

  it("embeddings, and rows that files have in another order", async () => {
    const neox = createTinyShape("gpt_neox", {
      hidden_size: 64,
      intermediate_size: 256,
      num_attention_heads: 4,
      hidden_act: "gelu_new",
    });
    for (const [shape, role] of [
      [createTinyShape("llama", wide), "embed_tokens"],
      [neox, "layers.0.self_attn.qkv_proj"],
    ] as const) {
      const roles = { [role]: codesOf({ group_size: 32 }) };
      const coded = withRepresentations(shape, roles);
      const { notices } = await write(coded, drawModelTensors(coded, 7));
      expect(notices).toMatch(/1 matrix .*quantized codes do not fit MLX/);
    }
  });
});

it("is Hugging Face's folder if nothing is quantized", async () => {
  for (const family of ["llama", "qwen3", "phi", "gemma3_text"]) {
    const shape = createTinyShape(family);
    const tensors = drawModelTensors(shape, 7);
    using folder = createTemporaryFolder();
    const target = join(folder.path, "out");
    await exportModel({ shape, tensors }, { format: "mlx", dtype: "float32" }, target);
    const model = await importModel(target);
    expect(new Map([...model.tensors].map(([name, { data }]) => [name, data]))).toEqual(
      new Map([...tensors].map(([name, { data }]) => [name, data])),
    );
  }
});

it("has the names and the keys of mlx-lm", async () => {
  const gpt2 = createTinyShape("gpt2");
  const found = await write(gpt2, drawModelTensors(gpt2, 7));
  expect(found.tensors.get("model.h.0.mlp.c_fc.weight")!.shape).toEqual([64, 16]);
  expect(found.tensors.get("model.wte.weight")!.shape).toEqual([32, 16]);
  expect(found.config).toMatchObject({ n_ctx: 16 });
  const neox = createTinyShape("gpt_neox", {
    intermediate_size: 64,
    hidden_act: "gelu_new",
    rope_parameters: { rope_theta: 70, partial_rotary_factor: 0.25 },
  });
  const ofNeox = await write(neox, drawModelTensors(neox, 7));
  for (const name of ["embed_in", "embed_out", "h.1.attention.query_key_value", "final_layer_norm"])
    expect(ofNeox.tensors.has(`model.${name}.weight`), name).toBe(true);
  expect(ofNeox.config).toMatchObject({ rotary_emb_base: 70, rotary_pct: 0.25 });
  const llama = createTinyShape("llama", {
    rope_parameters: {
      rope_type: "llama3",
      rope_theta: 50,
      factor: 4,
      low_freq_factor: 1,
      high_freq_factor: 4,
    },
  });
  const { config } = await write(llama, drawModelTensors(llama, 7));
  expect(config).toMatchObject({
    rope_theta: 50,
    rope_scaling: { type: "llama3", factor: 4, original_max_position_embeddings: 16 },
  });
  const gemma = createTinyShape("gemma3_text", {
    layer_types: ["sliding_attention", "full_attention"],
    hidden_size: 20,
    head_dim: 10,
  });
  const ofGemma = await write(gemma, drawModelTensors(gemma, 7));
  expect(ofGemma.config).toMatchObject({ sliding_window_pattern: 2, rope_scaling: null });
  expect(ofGemma.notices).toMatch(/multiplies the embeddings by 4.46875, .* instead of 4.4721/);
});

describe("what mlx-lm does not compute is refused", () => {
  it.each<[string, Options, RegExp]>([
    ["bert", {}, /there are no encoders in mlx-lm/],
    ["opt", {}, /there is no opt in mlx-lm/],
    ["llama", { num_labels: 2 }, /there are no classifiers in mlx-lm/],
    ["llama", { hidden_act: "relu" }, /hidden_act is "relu", but mlx-lm computes "silu" or "swish"/],
    [
      "llama",
      { rope_scaling: { rope_type: "yarn", factor: 2 } },
      /rope_scaling is .*frequencies of the type yarn in another way/,
    ],
    ["mistral", {}, /sliding_window is 5, but mlx-lm ignores the window/],
    ["qwen2", { head_dim: 8, num_attention_heads: 4 }, /head_dim is 8, but mlx-lm divides the width/],
    [
      "qwen2",
      { use_sliding_window: true, max_window_layers: 0, sliding_window: 4 },
      /use_sliding_window is true, but mlx-lm computes false/,
    ],
    ["qwen3", { attention_bias: true }, /attention_bias is true, but mlx-lm computes false/],
    ["phi", { tie_word_embeddings: true }, /tie_word_embeddings is true/],
    ["gpt2", { n_inner: 24 }, /n_inner is 24, but mlx-lm computes four times n_embd/],
    ["gpt_neox", {}, /but mlx-lm computes/],
    [
      "gemma2",
      { tie_word_embeddings: true, sliding_window: 16, final_logit_softcapping: null },
      /final_logit_softcapping is null, but mlx-lm always computes with a bound/,
    ],
    ["gemma3_text", { final_logit_softcapping: 3 }, /mlx-lm computes no bound of the logits/],
    [
      "gemma3_text",
      { layer_types: ["full_attention", "sliding_attention"] },
      /mlx-lm needs layers without a window at equal distances/,
    ],
  ])("%s with %o", (family, changes, message) => {
    const exporter = exporters["mlx"]!;
    const options: unknown = exporter.options.parse({});
    expect(exporter.refuses!(createTinyShape(family, changes), options)).toMatch(message);
  });
});
