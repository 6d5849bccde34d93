import { statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { decodeHalf, encodeHalf } from "../../../src/backend/checkpoints/halfPrecision";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import { createPieceTokenizerJson, type Piece } from "../../../src/backend/data/tokenizers/pieceVocabulary";
import { createTokenizerFromJson } from "../../../src/backend/data/tokenizers/tokenizerJson";
import type { ExportSubject } from "../../../src/backend/exports/exporter";
import { openGguf } from "../../../src/backend/imports/ggufFile";
import { importModel } from "../../../src/backend/imports/importModel";
import { createClassifierShape } from "../../../src/backend/models/classifier";
import { mapRotaryRows } from "../../../src/backend/models/ggufLayout";
import { type ModelShape, withRepresentations } from "../../../src/backend/models/model";
import { subjectOf, withGgufFile } from "../../support/ggufFile";
import { createTinyShape, drawModelTensors } from "../../support/subject";

const plain = (tensors: HostTensors) => new Map([...tensors].map(([name, { data }]) => [name, data]));

describe("weights in float32 are read again bit for bit", () => {
  it.each([
    ["llama", {}],
    [
      "llama",
      { attention_bias: true, mlp_bias: true, head_dim: 8, tie_word_embeddings: true, rope_theta: 500_000 },
    ],
    ["qwen2", { rms_norm_eps: 1e-5 }],
    ["phi3", {}],
    ["gpt2", {}],
    ["gpt2", { tie_word_embeddings: false, n_inner: 40 }],
    ["qwen3", { head_dim: 8, rope_theta: 5000 }],
    ["smollm3", { num_hidden_layers: 5, no_rope_layer_interval: 4 }],
    ["phi", { partial_rotary_factor: 0.5, hidden_size: 32, resid_pdrop: 0 }],
    ["gpt_neox", { hidden_act: "gelu_new", rotary_emb_base: 500, use_parallel_residual: false }],
  ])("%s %o", async (family, changes) => {
    const subject = subjectOf(family, changes);
    await withGgufFile(subject, { dtype: "float32" }, async (file) => {
      const { shape, tensors } = await importModel(file);
      expect(plain(tensors)).toEqual(plain(subject.tensors));
      const config = Object.fromEntries(Object.keys(changes).map((key) => [key, shape.config[key]]));
      expect(config).toEqual(changes);
      expect(shape.family).toBe(family);
    });
  });
});

describe("norms around 1 are written whole, so that their difference from 1 is rounded", () => {
  const gemma = { query_pre_attn_scalar: 4, final_logit_softcapping: 3, rope_theta: 5000 };
  const types = ["full_attention", "sliding_attention"];
  it.each([
    ["gemma2", { ...gemma, tie_word_embeddings: true, attn_logit_softcapping: 2.5 }],
    ["gemma2", { ...gemma, tie_word_embeddings: true, layer_types: types }],
    ["gemma3_text", { ...gemma, rope_local_base_freq: 300, sliding_window_pattern: 6 }],
    ["gemma3_text", { ...gemma, sliding_window: null, layer_types: ["full_attention", "full_attention"] }],
  ])("%s %o", async (family, changes) => {
    const subject = subjectOf(family, changes);
    await withGgufFile(subject, { dtype: "float32" }, async (file) => {
      const { shape, tensors } = await importModel(file);
      const config = Object.fromEntries(Object.keys(changes).map((key) => [key, shape.config[key]]));
      expect(config).toEqual(changes);
      expect(shape.family).toBe(family);
      expect([...tensors.keys()].sort()).toEqual([...subject.tensors.keys()].sort());
      for (const [name, { data }] of subject.tensors) {
        const read = tensors.get(name)!.data as Float32Array;
        if (!name.includes("norm")) expect(read, name).toEqual(data);
        else for (const [i, each] of read.entries()) expect(each, name).toBeCloseTo(data[i]!, 6);
      }
      using opened = openGguf(file);
      const [norm] = subject.tensors.get("model.norm.weight")!.data;
      expect(opened.read("output_norm.weight")[0]).toBe(Math.fround(norm! + 1));
    });
  });
});

it("writes a mistral as a llama, with the rows of its queries and keys reordered", async () => {
  const subject = subjectOf("mistral", { sliding_window: null });
  await withGgufFile(subject, { dtype: "float32" }, async (file) => {
    const { shape, tensors } = await importModel(file);
    expect(shape.family).toBe("llama");
    expect(plain(tensors)).toEqual(plain(subject.tensors));
  });
});

it("names and arranges tensors as llama.cpp does", async () => {
  const { shape, tensors } = subjectOf("llama", { attention_bias: true });
  await withGgufFile({ shape, tensors }, { dtype: "float32" }, (path) => {
    using file = openGguf(path);
    expect([...file.tensors.keys()].slice(0, 9)).toEqual([
      "token_embd.weight",
      "blk.0.attn_q.weight",
      "blk.0.attn_q.bias",
      "blk.0.attn_k.weight",
      "blk.0.attn_k.bias",
      "blk.0.attn_v.weight",
      "blk.0.attn_v.bias",
      "blk.0.attn_output.weight",
      "blk.0.attn_output.bias",
    ]);
    // Heads of four rows: the first and third row are a pair that is rotated, as are the second and fourth.
    expect([...mapRotaryRows(8, 2)]).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    const weight = tensors.get("model.layers.0.self_attn.q_proj.weight")!.data as Float32Array;
    expect([...file.read("blk.0.attn_q.weight").subarray(16, 32)]).toEqual([...weight.subarray(32, 48)]);
    expect([...file.read("blk.0.attn_v.weight")]).toEqual([
      ...(tensors.get("model.layers.0.self_attn.v_proj.weight")!.data as Float32Array),
    ]);
    expect(Object.fromEntries(file.metadata)).toMatchObject({
      "general.architecture": "llama",
      "general.file_type": 0,
      "llama.embedding_length": 16,
      "llama.feed_forward_length": 24,
      "llama.attention.head_count": 4,
      "llama.attention.head_count_kv": 2,
      "llama.rope.dimension_count": 4,
      "llama.rope.freq_base": 10_000,
      "llama.context_length": 16,
    });
  });
});

describe("quantized types", () => {
  const wide = { hidden_size: 64, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2 };

  it.each([
    ["float16", /bits per weight/, 0.001],
    ["q8_0", /bits per weight/, 0.01],
    ["q4_0", /bits per weight/, 0.15],
    ["q6_k", /rows are not whole blocks of 256, so they are written as Q8_0/, 0.05],
    ["q4_k", /rows are not whole blocks of 256, so they are written as Q8_0/, 0.15],
  ])("%s", async (dtype, notice, tolerance) => {
    const subject = subjectOf("llama", wide);
    await withGgufFile(subject, { dtype }, async (file, notices) => {
      expect(notices).toMatch(notice);
      const model = await importModel(file);
      expect((model.notices ?? []).join()).toMatch(
        dtype === "float16" ? /^$/ : /converted quantized tensors to float32/,
      );
      for (const [name, { data }] of model.tensors) {
        const before = subject.tensors.get(name)!.data;
        const error = Math.max(...(data as Float32Array).map((each, i) => Math.abs(each - before[i]!)));
        expect(error, name).toBeLessThan(tolerance);
        if (before.length === 64) expect(data).toEqual(before); // Norms stay float32.
      }
    });
  });

  it("fall back to float16 where no block fits, with a notice", async () =>
    withGgufFile(subjectOf("llama"), { dtype: "q4_0" }, (path, notices) => {
      using file = openGguf(path);
      expect(new Set([...file.tensors.values()].map(({ type }) => type))).toEqual(new Set(["F16", "F32"]));
      expect(notices).toMatch(
        /16 matrices \(.*\): rows are not whole blocks of 32, so they are written as F16/,
      );
    }));

  const codes = (shape: ModelShape, options: object) =>
    withRepresentations(shape, {
      "layers.0.self_attn.q_proj": {
        type: "quantised",
        options: { symmetric: true, residual: 0, ...options },
      },
    });

  it.each([
    ["q4_0", { bits: 4, group_size: 32 }],
    ["q4_0", { bits: 3, group_size: 64 }],
    ["q8_0", { bits: 8 }],
    ["q8_0", { bits: 4, group_size: 32, kept: 2048 }],
  ])("%s keeps the codes of %o", async (dtype, options) => {
    const shape = codes(createTinyShape("llama", wide), options);
    const subject = { shape, tensors: drawModelTensors(shape, 9) };
    await withGgufFile(subject, { dtype }, async (file, notices) => {
      expect(notices).toMatch(/1 matrix \(layers.0.self_attn.q_proj\): codes are written as they are/);
      expect(notices).not.toMatch(/nothing is saved/);
      const name = "model.layers.0.self_attn.q_proj";
      const read = (await importModel(file)).tensors.get(`${name}.weight`)!.data as Float32Array;
      const at = (suffix: string) => subject.tensors.get(`${name}.weight_${suffix}`)?.data;
      const size = "group_size" in options ? options.group_size : 64;
      const expected = new Float32Array(64 * 64);
      for (let input = 0; input < 64; input++)
        for (let output = 0; output < 64; output++) {
          const place = input * 64 + output;
          const scale = decodeHalf(encodeHalf(at("scales")![Math.floor(input / size) * 64 + output]!));
          expected[output * 64 + input] = at("mask")?.[place] === 0 ? 0 : at("codes")![place]! * scale;
        }
      expect(read.map((each) => each + 0)).toEqual(expected.map((each) => each + 0));
    });
  });

  it("round codes again that do not fit, with a notice", async () => {
    const shape = codes(createTinyShape("llama", wide), { bits: 4, group_size: 16 });
    await withGgufFile({ shape, tensors: drawModelTensors(shape, 9) }, { dtype: "q4_0" }, (_, notices) =>
      expect(notices).toMatch(
        /1 matrix .*: quantized codes do not fit Q4_0 as they are, so their values are rounded again/,
      ),
    );
  });
});

describe("models without a form in GGUF are refused", () => {
  it.each([
    ["bert", {}, /GGUF files are not written for encoders: llama.cpp computes embeddings with them/],
    ["kphi3", {}, /not written for kphi3: its grouped projections have no form/],
    ["opt", {}, /not written for opt: llama.cpp has no architecture for it/],
    ["mistral", { sliding_window: 5 }, /sliding_window is 5, but llama.cpp ignores the window/],
    ["qwen3", { attention_bias: true }, /attention_bias is true, but llama.cpp adds no bias to the output/],
    ["smollm3", { no_rope_layer_interval: 2 }, /no_rope_layer_interval is 2, but .* every layer of number 4/],
    ["gpt_neox", { hidden_act: "gelu" }, /hidden_act is "gelu", but llama.cpp computes "gelu_new"/],
    ["gpt_neox", { hidden_act: "gelu_new", tie_word_embeddings: true }, /tie_word_embeddings is true, but/],
    ["phi", { tie_word_embeddings: true }, /tie_word_embeddings is true, but/],
    ["phi", { head_dim: 8 }, /head_dim is 8, but/],
    [
      "gemma2",
      { tie_word_embeddings: true, query_pre_attn_scalar: 6 },
      /query_pre_attn_scalar is 6, but .* 4/,
    ],
    [
      "gemma2",
      { tie_word_embeddings: true, query_pre_attn_scalar: 4, attn_logit_softcapping: null },
      /attn_logit_softcapping is null, but/,
    ],
    [
      "gemma2",
      { query_pre_attn_scalar: 4 },
      /tie_word_embeddings is false, but llama.cpp has no head but the token embedding/,
    ],
    [
      "gemma3_text",
      {
        query_pre_attn_scalar: 4,
        rope_parameters: {
          full_attention: { rope_type: "linear", factor: 2 },
          sliding_attention: { rope_type: "default" },
        },
      },
      /rope_parameters is .*, but scaled rotary angles are not written/,
    ],
    ["llama", { hidden_act: "gelu" }, /hidden_act is "gelu", but llama.cpp computes "silu" or "swish"/],
    ["gpt2", { activation_function: "gelu" }, /activation_function is "gelu"/],
    ["phi3", { sliding_window: 8 }, /sliding_window is 8, but llama.cpp ignores the window/],
    ["phi3", { min_channels_per_group: 4 }, /min_channels_per_group is 4, but grouped projections/],
    [
      "qwen2",
      { use_sliding_window: true, sliding_window: 4, max_window_layers: 1 },
      /use_sliding_window is true/,
    ],
  ])("%s %o", async (family, changes, message) => {
    await expect(withGgufFile(subjectOf(family, changes), {}, () => undefined)).rejects.toThrow(message);
  });

  it("a classifier", async () => {
    const shape = createClassifierShape(createTinyShape("llama"), { kind: "classes", names: ["a", "b"] });
    const subject = { shape, tensors: drawModelTensors(shape, 1) };
    await expect(withGgufFile(subject, {}, () => undefined)).rejects.toThrow(/this is a classifier/);
  });
});

describe("the tokenizer", () => {
  const text = "Ein Café, 3 €.\n\tend  of it";
  const roundTrip = async (tokenizer: NonNullable<ExportSubject["tokenizer"]>, size = tokenizer.vocabSize) =>
    withGgufFile({ ...subjectOf("llama", { vocab_size: size }), tokenizer }, {}, async (file) => {
      const { tokenizerFolder } = await importModel(file);
      return openTokenizer(tokenizerFolder, ".");
    });

  it("of bytes is read with the same ids, also where the model has more rows", async () => {
    const own = createBytesTokenizer();
    const read = await roundTrip(own, 260);
    expect([...(await read.encode(text))]).toEqual([...(await own.encode(text))]);
    expect(read.endOfText).toBe(256);
    expect(read.nameOf(259)).toBe("[PAD259]");
  });

  it("of scored pieces is read with the same ids and its chat template", async () => {
    const bytes = Array.from({ length: 256 }, (_, byte): Piece => ({
      text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
      score: 0,
      kind: "byte",
    }));
    const words = [
      "▁e",
      "en",
      "end",
      "▁end",
      "▁o",
      "f",
      "▁of",
      "e",
      "n",
      "d",
      "o",
      "▁",
      "in",
      "i",
      "t",
      "it",
    ];
    const pieces: Piece[] = [
      { text: "<unk>", score: 0, kind: "unknown" },
      { text: "<s>", score: 0, kind: "control" },
      { text: "</s>", score: 0, kind: "control" },
      ...bytes,
      ...words.map((each, i): Piece => ({ text: each, score: -i, kind: "normal" })),
    ];
    const json = createPieceTokenizerJson(
      {
        pieces,
        algorithm: "bpe",
        unknown: 0,
        bos: 1,
        eos: 2,
        opens: true,
        dummyPrefix: true,
        removeExtraSpaces: false,
        byteFallback: true,
        charsmap: new Uint8Array(),
      },
      [],
      true,
    );
    const config = JSON.stringify({ bos_token: "<s>", eos_token: "</s>", chat_template: "{{ messages }}" });
    const own = await createTokenizerFromJson("pieces", JSON.stringify(json), { config });
    const read = await roundTrip(own);
    expect([...(await read.encode(text))]).toEqual([...(await own.encode(text))]);
    expect((await own.encode(text)).length).toBeLessThan(Buffer.byteLength(text));
    expect([read.bos, read.endOfText, read.vocabSize]).toEqual([1, 2, own.vocabSize]);
    expect(String(read.files["tokenizer_config.json"])).toContain("{{ messages }}");
  });

  it("is refused where llama.cpp has none of its kind, unless it is left out", async () => {
    const tokenizer = createCharactersTokenizer(["a", "b"], true);
    const subject = { ...subjectOf("llama", { vocab_size: 3 }), tokenizer };
    await expect(withGgufFile(subject, {}, () => undefined)).rejects.toThrow(
      /tokenizer characters cannot be written into a GGUF file: .* Set vocabulary: none/,
    );
    await withGgufFile(subject, { vocabulary: "none" }, async (file) =>
      expect((await importModel(file)).tokenizerFolder).toBeUndefined(),
    );
  });
});

it("reports the bytes of the tensors beside the bits that are counted", async () => {
  await withGgufFile(
    subjectOf("llama", { hidden_size: 64, intermediate_size: 64 }),
    { dtype: "q8_0" },
    (file, notices) => {
      const [, bytes, bits] = /The tensors take ([\d,]+) bytes, ([\d.]+) bits per weight/.exec(notices)!;
      const size = Number(bytes!.replaceAll(",", ""));
      expect(size).toBeLessThan(statSync(file).size);
      expect(Number(bits)).toBeGreaterThan(8.5);
      expect(Number(bits)).toBeLessThan(9);
    },
  );
});
