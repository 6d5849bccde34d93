import { describe, expect, it } from "vitest";
import { countModel } from "../../../src/backend/models/accounting";
import { sizeOf } from "../../../src/backend/graph/op";
import { parametersOf, createShape, withRepresentations } from "../../../src/backend/models/model";
import { drawTensors, createLookup } from "../../support/tensors";

interface Published {
  readonly layers: number;
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  readonly minimum: number;
  readonly vocabulary: number;
}

function kphi3({ layers, width, inner, heads, minimum, vocabulary }: Published) {
  return createShape({
    model_type: "kphi3",
    num_hidden_layers: layers,
    hidden_size: width,
    intermediate_size: inner,
    num_attention_heads: heads,
    min_channels_per_group: minimum,
    vocab_size: vocabulary,
  });
}

const big = { width: 3072, heads: 32, minimum: 256, vocabulary: 32064 };

describe("the published models of kphi-3", () => {
  it.each([
    ["phi-3, 2 layers", { ...big, layers: 2, inner: 8192, minimum: -1 }, 226_507_776, 423_508_992],
    ["kphi-3, 2 layers", { ...big, layers: 2, inner: 9216 }, 35_011_584, 232_012_800],
    ["kphi-3, 3 layers", { ...big, layers: 3, inner: 9216 }, 52_515_840, 249_517_056],
    ["kphi-3, 2 layers of the dense width", { ...big, layers: 2, inner: 8192 }, 40_909_824, 237_911_040],
  ] as const)("%s", (_, published, nonEmbedding, total) => {
    const counts = countModel(kphi3(published));
    expect(counts.nonEmbedding.stored).toBe(nonEmbedding);
    expect(counts.total.stored).toBe(total);
    expect(counts.total).toEqual({
      trainable: total,
      stored: total,
      nonZero: total,
      bits: 32 * total,
      bytes: 4 * total,
    });
  });

  it.each([
    [{ layers: 2, width: 64, inner: 192, heads: 4, minimum: 16, vocabulary: 256 }, 47_424, 106_816],
    [{ layers: 2, width: 128, inner: 384, heads: 4, minimum: 32, vocabulary: 512 }, 189_056, 426_624],
    [{ layers: 2, width: 96, inner: 288, heads: 4, minimum: 32, vocabulary: 256 }, 137_184, 240_096],
    [
      { layers: 4, width: 1280, inner: 5120, heads: 20, minimum: 256, vocabulary: 32064 },
      34_090_240,
      104_869_120,
    ],
  ] as const)("$0 and the dense model of the same sizes", (published, grouped, dense) => {
    expect(countModel(kphi3(published)).nonEmbedding.stored).toBe(grouped);
    expect(countModel(kphi3({ ...published, minimum: -1 })).nonEmbedding.stored).toBe(dense);
  });
});

describe("GPT-2 small", () => {
  const shape = createShape({ model_type: "gpt2", vocab_size: 50257 });

  it("has its known size, counting the tied head once", () => {
    const { total, nonEmbedding } = countModel(shape);
    expect(total.stored).toBe(124_439_808);
    expect(nonEmbedding.stored).toBe(124_439_808 - 38_597_376 - 786_432);
    const untied = createShape({ ...shape.config, tie_word_embeddings: false });
    expect(countModel(untied).total.stored).toBe(124_439_808 + 38_597_376);
  });

  it("has its known size for each role", () => {
    const byRole = new Map(countModel(shape).roles.map((row) => [row.role, row.stored]));
    expect(Object.fromEntries(byRole)).toMatchObject({
      embed_tokens: 38_597_376,
      embed_positions: 786_432,
      "layers.0.self_attn.qkv_proj": 1_771_776,
      "layers.0.self_attn.o_proj": 590_592,
      "layers.0.mlp.up_proj": 2_362_368,
      "layers.11.mlp.down_proj": 2_360_064,
      "layers.11.input_layernorm": 1_536,
      norm: 1_536,
    });
  });
});

describe("counts", () => {
  const shape = createShape({
    model_type: "gpt2",
    vocab_size: 11,
    n_positions: 5,
    n_embd: 4,
    n_layer: 1,
    n_head: 2,
  });

  it("match the existing tensors", () => {
    const scalars = parametersOf(shape).reduce((total, spec) => total + sizeOf(spec.shape), 0);
    expect(countModel(shape).total.stored).toBe(scalars);
  });

  it("include zeros only with tensors, and bytes only with a file", () => {
    const tensors = drawTensors(parametersOf(shape), 3);
    tensors.get("transformer.h.0.attn.c_attn.bias")!.fill(0);
    const file = { bytes: 9999, tensorBytes: (name: string) => 4 * tensors.get(name)!.length };
    const before = countModel(shape);
    const after = countModel(shape, { tensors: createLookup(tensors), file });
    expect(after.total.nonZero).toBe(before.total.nonZero - 12);
    expect(after.total.bytes).toBe(9999);
    expect(after.nonEmbedding.bytes).toBe(4 * before.nonEmbedding.stored);
  });

  it("report what a mask costs: its bits and the kept values, and in the file the bytes written", () => {
    const masked = withRepresentations(shape, {
      "layers.0.mlp.up_proj": { type: "masked", options: { kept: 16 } },
      "layers.0.self_attn.q_proj": { type: "masked", options: { kept: 4 } },
    });
    const [before, after] = [countModel(shape).total, countModel(masked).total];
    expect(after.stored).toBe(before.stored - (64 - 16) - (16 - 4));
    expect(after.trainable).toBe(after.stored);
    expect(after.bits).toBe(before.bits - 32 * (64 - 16 + 16 - 4) + 64 + 16);
    const roles = countModel(masked).roles.filter(({ role }) => role.includes("self_attn"));
    expect(roles.map(({ role, representation }) => [role, representation])).toEqual([
      ["layers.0.self_attn.q_proj", "masked"],
      ["layers.0.self_attn.k_proj", "dense"],
      ["layers.0.self_attn.v_proj", "dense"],
      ["layers.0.self_attn.o_proj", "dense"],
    ]);
  });
});
