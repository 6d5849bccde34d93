import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { checkTensors } from "../../../src/backend/checkpoints/checkpoint";
import { compact } from "../../../src/backend/exports/compaction";
import { countModel } from "../../../src/backend/models/accounting";
import { exportModel, type ExportResult } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import { input } from "../../../src/backend/graph/op";
import { importModel } from "../../../src/backend/imports/importModel";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import type { RepresentationChoices } from "../../../src/backend/models/family";
import {
  forward,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

/** Channels and key-value heads that each layer keeps, of 24 (gpt2: 64) and of 2 with two queries of 4 channels each. */
interface Kept {
  readonly channels?: number;
  readonly heads?: number;
}

function sliced(family: string, layers: readonly Kept[], changes: object = {}): ModelShape {
  const shape = createTinyShape(family, { ...changes });
  const headWidth = family === "gpt2" ? 8 : 4;
  const group = family === "gpt2" ? 1 : 2;
  const choices: Record<string, RepresentationChoices[string]> = {};
  layers.forEach(({ channels, heads }, layer) => {
    const cut = (role: string, options: object) =>
      (choices[`layers.${layer}.${role}`] = { type: "sliced", options: { ...options } });
    if (channels !== undefined) {
      if (family !== "gpt2") cut("mlp.gate_proj", { outputs: channels });
      cut("mlp.up_proj", { outputs: channels });
      cut("mlp.down_proj", { inputs: channels });
    }
    if (heads !== undefined) {
      cut("self_attn.q_proj", { outputs: heads * group * headWidth });
      cut("self_attn.k_proj", { outputs: heads * headWidth });
      cut("self_attn.v_proj", { outputs: heads * headWidth });
      cut("self_attn.o_proj", { inputs: heads * group * headWidth });
    }
  });
  return withRepresentations(shape, choices);
}

function logitsOf(shape: ModelShape, tensors: HostTensors): Float64Array {
  const random = createUniform(3);
  const tokens = Array.from({ length: 14 }, () => Math.floor(random() * 32));
  const values = createValues(parametersOf(shape));
  const logits = forward(shape, createLookup(values), { tokens: input("tokens", [2, 7], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!;
}

async function exportAndRead(shape: ModelShape) {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  const tensors = drawModelTensors(shape, 8);
  const exported = await exportModel({ shape, tensors }, { format: "safetensors" }, target);
  const config = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Record<string, unknown>;
  const read = await importModel(target);
  const error = computeRelativeError(logitsOf(read.shape, read.tensors), logitsOf(shape, tensors));
  return { exported, config, error };
}

const weights = ({ sizes }: ExportResult) => sizes.find(({ kind }) => kind === "weights")!;
const equal = (kept: Kept) => [kept, kept];

describe("equally pruned layers are exported as a smaller configuration with the same logits", () => {
  it.each([
    ["llama", {}],
    ["llama", { attention_bias: true, mlp_bias: true, head_dim: 4 }],
    ["phi3", {}],
  ])("%s %o", async (family, changes) => {
    const { exported, config, error } = await exportAndRead(
      sliced(family, equal({ channels: 10, heads: 1 }), changes),
    );
    expect(config).toMatchObject({
      intermediate_size: 10,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 4,
    });
    expect(error).toBeLessThan(1e-6);
    expect(weights(exported).after).toBeLessThan(0.8 * weights(exported).before);
    expect(exported.notices.join("\n")).toMatch(
      /smaller model: intermediate_size 24 → 10, num_attention_heads 4 → 2, num_key_value_heads 2 → 1, head_dim 4\./,
    );
    expect(exported.notices.join("\n")).not.toMatch(/saved|padded/);
  });

  it("keeps all heads of gpt2, with a notice", async () => {
    const { exported, config, error } = await exportAndRead(
      sliced("gpt2", equal({ channels: 30, heads: 1 })),
    );
    expect(config).toMatchObject({ n_inner: 30, n_head: 2, n_embd: 16 });
    expect(error).toBeLessThan(1e-6);
    expect(exported.notices.join("\n")).toMatch(/n_inner 64 → 30/);
    expect(exported.notices.join("\n")).toMatch(
      /Heads were pruned \(layer 0: 1, layer 1: 1 of 2\), but the configuration of gpt2 has no key for the head size/,
    );
  });
});

it("keeps a number of llama heads that divides the hidden size, as transformers requires", async () => {
  const heads = { num_attention_heads: 8, num_key_value_heads: 4, head_dim: 4 };
  const three = await exportAndRead(sliced("llama", equal({ heads: 3 }), heads));
  expect(three.config).toMatchObject({ ...heads, hidden_size: 16 });
  expect(three.error).toBeLessThan(1e-6);
  expect(three.exported.notices.join("\n")).toMatch(/6 heads do not divide the hidden size.*Wrote 8 heads/);
  const two = await exportAndRead(sliced("llama", equal({ heads: 2 }), heads));
  expect(two.config).toMatchObject({ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4 });
  const phi3 = await exportAndRead(sliced("phi3", equal({ heads: 3 }), heads));
  expect(phi3.config).toMatchObject({ num_attention_heads: 6, num_key_value_heads: 3, head_dim: 4 });
  expect(phi3.error).toBeLessThan(1e-6);
});

describe("unequally pruned layers", () => {
  it("are padded to the largest layer, with a notice that names each layer", async () => {
    const { exported, config, error } = await exportAndRead(
      sliced("llama", [{ channels: 10 }, { channels: 18, heads: 1 }]),
    );
    expect(config).toMatchObject({ intermediate_size: 18, num_attention_heads: 4, num_key_value_heads: 2 });
    expect(error).toBeLessThan(1e-6);
    const notices = exported.notices.join("\n");
    expect(notices).toMatch(
      /different numbers of channels \(layer 0: 10, layer 1: 18 of 24\).*intermediate_size.* is 18.*layer 0 is padded with zeros\. To prune every layer equally, set scope: layer/,
    );
    expect(notices).toMatch(/different numbers of key-value heads \(layer 0: 2, layer 1: 1 of 2\).*stays 2/);
  });

  it("keep the configuration if one layer is not pruned", async () => {
    const { exported, config, error } = await exportAndRead(sliced("phi3", [{}, { channels: 5 }]));
    expect(config).toMatchObject({ intermediate_size: 24 });
    expect(error).toBeLessThan(1e-6);
    expect(exported.notices.join("\n")).toMatch(/layer 0: 24, layer 1: 5 of 24.*stays 24/);
    expect(weights(exported).after).toBeGreaterThanOrEqual(weights(exported).before);
  });
});

it("keeps the representation of the other matrices in formats that support it", async () => {
  using folder = createTemporaryFolder();
  const shape = withRepresentations(sliced("llama", equal({ channels: 10 })), {
    "layers.0.self_attn.q_proj": { type: "factored", options: { rank: 2 } },
  });
  const tensors = drawModelTensors(shape, 8);
  const target = join(folder.path, "out");
  const exported = await exportModel({ shape, tensors }, { format: "onnx" }, target);
  const { intermediate_size: size } = JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Record<
    string,
    unknown
  >;
  expect(size).toBe(10);
  expect(exported.notices.join("\n")).not.toMatch(/factors/);
});

it("keeps the smaller matrices of each layer in a graph", async () => {
  using folder = createTemporaryFolder();
  const shape = sliced("gpt2", [{ channels: 30, heads: 1 }, { channels: 50 }]);
  const subject = { shape, tensors: drawModelTensors(shape, 8) };
  const exported = await exportModel(subject, { format: "onnx" }, join(folder.path, "out"));
  const file = readFileSync(join(folder.path, "out", "model.onnx"));
  const { graph } = modelProto.decode(file) as unknown as {
    readonly graph: {
      readonly initializer: readonly { readonly name: string; readonly rawData: Uint8Array }[];
    };
  };
  const bytes = new Map(graph.initializer.map(({ name, rawData }) => [name, rawData.length]));
  expect(bytes.get("transformer.h.0.mlp.c_fc.weight")).toBe(4 * 16 * 30);
  expect(bytes.get("transformer.h.1.mlp.c_proj.weight")).toBe(4 * 16 * 50);
  expect(bytes.get("transformer.h.0.attn.c_attn.q_proj.weight")).toBe(4 * 16 * 8);
  expect(exported.notices.join("\n")).not.toMatch(/zeros/);
});

describe("what is left of a matrix keeps its representation", () => {
  const pieces = {
    "layers.0.mlp.down_proj.kept": { type: "quantised", options: { bits: 4 } },
    "layers.0.mlp.up_proj.kept": { type: "factored", options: { rank: 2 } },
    "layers.0.mlp.up_proj.kept.in": { type: "tied", options: { tied: 3, seed: 1 } },
    "layers.1.self_attn.q_proj.kept": { type: "masked", options: {} },
  };
  const pruned = (family: string) =>
    withRepresentations(sliced(family, equal({ channels: 10, heads: 1 })), pieces);

  it.each(["llama", "phi3"])("of %s in the smaller model of a graph", async (family) => {
    using folder = createTemporaryFolder();
    const subject = { shape: pruned(family), tensors: drawModelTensors(pruned(family), 8) };
    const smaller = compact(subject);
    checkTensors("the smaller model", smaller.shape, smaller.tensors);
    expect(computeRelativeError(logitsOf(smaller.shape, smaller.tensors), logitsOf(subject.shape, subject.tensors))).toBeLessThan(1e-6); // prettier-ignore
    const { bits } = countModel(subject.shape).total;
    // The role for which the tied rows were drawn is stored, since it has changed.
    expect(countModel(smaller.shape).total.bits).toBeLessThanOrEqual(bits + 32);
    const exported = await exportModel(subject, { format: "onnx" }, join(folder.path, "out"));
    expect(exported.notices.join("\n")).not.toMatch(/codes|factors|tied/);
  });

  it("is written out for transformers, with a notice", async () => {
    const { exported, config, error } = await exportAndRead(pruned("llama"));
    expect(config).toMatchObject({ intermediate_size: 10, num_key_value_heads: 1 });
    expect(error).toBeLessThan(1e-6);
    expect(exported.notices.join("\n")).toMatch(/1 matrix with quantized codes: written as dense matrices/);
  });
});
