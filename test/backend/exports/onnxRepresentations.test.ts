/** An ONNX file keeps the representations of matrices: the bytes that it saves, the operators that read it, and its logits. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import graphhash from "../../../src/backend/methods/graphhash";
import type { RepresentationChoice, RepresentationChoices } from "../../../src/backend/models/family";
import { withRepresentations } from "../../../src/backend/models/model";
import { computeRelativeError } from "../../support/sampleValues";
import { drawModelTensors, createTinyShape } from "../../support/subject";
import { plainLab } from "../../support/lab";
import { batch, type Decoded, inFolder, reference, run, time, tokensFor } from "../../support/onnxFile";

const wide = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 };
const codes = (bits: number, more: object = {}) => ({ type: "quantised", options: { bits, ...more } });

describe("a matrix keeps its representation in the graph", () => {
  /**
   * Of `down_proj` [96, 64]: how it is stored, the operator that reads it, and its maximum share of the dense bytes.
   */
  const cases: readonly (readonly [string, RepresentationChoice, string, number])[] = [
    ["4 bits in groups of 32", codes(4, { group_size: 32 }), "MatMulNBits", 0.17],
    ["3 bits in groups of 48", codes(3, { group_size: 48, symmetric: false }), "MatMulNBits", 0.2],
    ["4 bits in groups of 12", codes(4, { group_size: 12, symmetric: false }), "DequantizeLinear", 0.24],
    ["2 bits in one group", codes(2, { group_size: 6 }), "DequantizeLinear", 0.3],
    ["6 bits, pruned", codes(6, { kept: 3000 }), "MatMulNBits", 0.29],
    ["8 bits in groups of 3", codes(8, { group_size: 3, residual: 2 }), "DequantizeLinear", 0.65],
    ["two factors", { type: "factored", options: { rank: 8 } }, "Gemm", 0.22],
    [
      "a Kronecker sum",
      {
        type: "mpo",
        options: {
          sites: [
            [8, 8],
            [12, 8],
          ],
          bonds: [2],
        },
      },
      "Gemm",
      0.1,
    ],
    ["groups", { type: "grouped", options: { min_channels_per_group: 16 } }, "MatMul", 0.6],
    ["tied rows", { type: "tied", options: { fold: "rows", tied: 90 } }, "Gather", 0.1],
    ["hashed weights", { type: "hashed", options: { size: 600 } }, "Gather", 0.15],
    ["clusters", { type: "clustered", options: { clusters: 256 } }, "Gather", 0.3],
    ["less of it", { type: "sliced", options: { inputs: 40 } }, "Slice", 0.45],
  ];
  const role = "layers.0.mlp.down_proj";
  const pieces: readonly (readonly [string, RepresentationChoices, string, number])[] = [
    [
      "two factors with codes",
      {
        [role]: { type: "factored", options: { rank: 32 } },
        [`${role}.in`]: codes(4, { group_size: 32 }),
        [`${role}.out`]: codes(4),
      },
      "MatMulNBits",
      0.15,
    ],
    [
      "codes of what is left",
      { [role]: { type: "sliced", options: { inputs: 48 } }, [`${role}.kept`]: codes(8, { group_size: 6 }) },
      "DequantizeLinear",
      0.25,
    ],
  ];

  it.each([
    ...cases.map(([name, choice, ...wanted]) => [name, { [role]: choice }, ...wanted] as const),
    ...pieces,
  ])("%s", async (_, choices, operator, share) => {
    const shape = withRepresentations(createTinyShape("llama", wide), choices);
    const model = { shape, tensors: drawModelTensors(shape, 8) };
    await inFolder(model, {}, async (folder, { notices }) => {
      const file = readFileSync(join(folder, "model.onnx"));
      const got = await run(file, [batch, time], tokensFor(shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(2e-5);
      const { graph } = modelProto.decode(file) as unknown as Decoded;
      expect(graph.node.map(({ opType }) => opType)).toContain(operator);
      const own = graph.initializer.filter(({ name }) => name.startsWith("model.layers.0.mlp.down_proj."));
      const bytes = own.reduce((sum, { rawData }) => sum + rawData.length, 0);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes / (4 * 96 * 64)).toBeLessThan(share);
      expect(notices.join("\n")).not.toMatch(/nothing is saved/);
    });
  });

  it("the shared rows of an embedding, and an index for each token", async () => {
    const plain = createTinyShape("llama", wide);
    const options = graphhash.options.parse({ rate: 0.7, by: "random", average: "equal" });
    const model = await graphhash.apply(
      { shape: plain, tensors: drawModelTensors(plain, 8) },
      options,
      plainLab,
    );
    await inFolder(model, {}, async (folder, { notices }) => {
      const file = readFileSync(join(folder, "model.onnx"));
      const got = await run(file, [batch, time], tokensFor(model.shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(2e-5);
      const { graph } = modelProto.decode(file) as unknown as Decoded;
      const own = graph.initializer.filter(({ name }) => name.startsWith("model.embed_tokens."));
      const vocabulary = plain.config["vocab_size"] as number;
      const bytes = own.reduce((sum, { rawData }) => sum + rawData.length, 0);
      expect(bytes).toBe(Math.round(0.3 * vocabulary) * 64 * 4 + vocabulary);
      expect(notices.join("\n")).not.toMatch(/nothing is saved/);
    });
  });

  it("codes of an embedding, a tied head and every projection, also with standard operators", async () => {
    const plain = createTinyShape("llama", { ...wide, tie_word_embeddings: true });
    const roles = ["embed_tokens", ...["q", "k", "v", "o"].map((each) => `layers.1.self_attn.${each}_proj`)];
    const shape = withRepresentations(
      plain,
      Object.fromEntries(roles.map((each) => [each, codes(4, { group_size: 16, symmetric: false })])),
    );
    const model = { shape, tensors: drawModelTensors(shape, 8) };
    for (const operators of ["microsoft", "standard"]) {
      const file = await inFolder(model, { operators }, (folder, { notices }) => {
        expect(/qdq_matmulnbits_accuracy_level/.test(notices.join())).toBe(operators === "standard");
        return readFileSync(join(folder, "model.onnx"));
      });
      const { opsetImport, graph } = modelProto.decode(file) as unknown as Decoded;
      expect(opsetImport.some(({ domain }) => domain === "com.microsoft")).toBe(operators === "microsoft");
      expect(graph.node.filter(({ opType }) => opType === "DequantizeLinear")).toHaveLength(
        operators === "microsoft" ? 2 : 6,
      );
      const got = await run(file, [batch, time], tokensFor(shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(2e-5);
    }
  });

  it("unless it is masked: then it is dense, with a notice", async () => {
    const shape = withRepresentations(createTinyShape("gpt2"), {
      "layers.0.self_attn.q_proj": { type: "masked", options: {} },
      "layers.0.mlp.up_proj": { type: "masked", options: {} },
      "layers.0.mlp.up_proj.bias": { type: "masked", options: {} },
      "layers.1.self_attn.q_proj": { type: "masked", options: {} },
      "layers.1.self_attn.v_proj": { type: "factored", options: { rank: 2 } },
    });
    const model = { shape, tensors: drawModelTensors(shape, 8) };
    await inFolder(model, {}, async (folder, { notices }) => {
      const file = readFileSync(join(folder, "model.onnx"));
      const got = await run(file, [batch, time], tokensFor(shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(1e-5);
      const { graph } = modelProto.decode(file) as unknown as Decoded;
      const names = graph.initializer.map(({ name }) => name);
      expect(names.filter((name) => name.includes("mask"))).toEqual([]);
      expect(names).toContain("transformer.h.0.attn.c_attn.weight");
      expect(names).toContain("transformer.h.1.attn.c_attn.v_proj.weight_in");
      expect(notices.join("\n")).toMatch(/3 matrices with a mask \([\d.]+ % zeros\).*nothing is saved/);
    });
  });
});
