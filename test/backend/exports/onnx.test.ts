import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { type ExportResult, exportModel } from "../../../src/backend/exports/exportModel";
import { writeOnnx } from "../../../src/backend/exports/onnxFile";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import { input } from "../../../src/backend/graph/op";
import graphhash from "../../../src/backend/methods/graphhash";
import magnitude from "../../../src/backend/methods/magnitude";
import { models } from "../../../src/backend/models/catalog";
import type { RepresentationChoice, RepresentationChoices } from "../../../src/backend/models/family";
import {
  dimensionsOf,
  forward,
  type ModelShape,
  parametersOf,
  withRepresentations,
  familyOf,
} from "../../../src/backend/models/model";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { drawModelTensors, createTemporaryFolder, createTinyShape } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";
import { plainLab } from "../../support/lab";

const [batch, time] = [2, 7];
const sizes = { sequence_len: time, batch_size: batch };

async function inFolder<T>(
  { shape, tensors }: Model,
  options: object,
  use: (folder: string, exported: ExportResult) => T | Promise<T>,
): Promise<T> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  return await use(target, await exportModel({ shape, tensors }, { format: "onnx", ...options }, target));
}

interface Model {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
}

function written(shape: ModelShape, tensors: HostTensors, options: object, name = "model.onnx") {
  return inFolder({ shape, tensors }, options, (folder) => readFileSync(join(folder, name)));
}

function tokensFor(shape: ModelShape, count = batch * time): number[] {
  const random = createUniform(3);
  return Array.from({ length: count }, () => Math.floor(random() * dimensionsOf(shape).vocabulary));
}

/** Logits of the stored model by the plain evaluator. */
function reference(
  { shape, tensors }: Model,
  [rows, columns]: readonly [number, number] = [batch, time],
  tokens = tokensFor(shape, rows * columns),
): Float64Array {
  const values = createValues(parametersOf(shape));
  const logits = forward(shape, createLookup(values), { tokens: input("tokens", [rows, columns], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!;
}

/** Feeds `input_ids` and `attention_mask`, all ones unless given, and any other int64 inputs. */
async function run(
  file: Buffer | string,
  [rows, columns]: readonly [number, number],
  ids: readonly number[],
  more: Readonly<Record<string, readonly number[]>> = {},
  type: "int64" | "int32" = "int64",
): Promise<Float32Array> {
  // Otherwise products with DequantizeLinear round their inputs to int8.
  const exact = { extra: { session: { qdq_matmulnbits_accuracy_level: "1" } } };
  const session = await (typeof file === "string"
    ? InferenceSession.create(file, exact)
    : InferenceSession.create(file, exact));
  const feeds = { input_ids: ids, attention_mask: ids.map(() => 1), ...more };
  const { logits } = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, numbers]) => [
        name,
        new Tensor(type, type === "int64" ? BigInt64Array.from(numbers, BigInt) : Int32Array.from(numbers), [
          rows,
          columns,
        ]),
      ]),
    ),
  );
  await session.release();
  expect(logits!.dims.slice(0, 2)).toEqual([rows, columns]);
  return logits!.data as Float32Array;
}

interface Decoded {
  readonly opsetImport: readonly { readonly domain: string }[];
  readonly graph: {
    readonly node: readonly { readonly domain: string; readonly opType: string }[];
    readonly input: readonly { readonly name: string }[];
    readonly initializer: readonly {
      readonly name: string;
      readonly dims: readonly unknown[];
      readonly rawData: Uint8Array;
    }[];
  };
}

describe.each(Object.keys(models))("%s", (family) => {
  const shape = createTinyShape(family);
  const tensors = drawModelTensors(shape, 8);
  const model = { shape, tensors };

  it.each(["int64", "int32"] as const)(
    "computes the logits for inputs of any size with %s ids",
    async (type) => {
      const file = await written(shape, tensors, { input_type: type });
      for (const size of [
        [1, 1],
        [2, 7],
        [3, 12],
      ] as const) {
        const got = await run(file, size, tokensFor(shape, size[0] * size[1]), {}, type);
        expect(computeRelativeError(got, reference(model, size))).toBeLessThan(1e-5);
      }
    },
  );

  it("computes the same logits with any padding, left or right", async () => {
    const { vocabulary } = dimensionsOf(shape);
    const file = await written(shape, tensors, {});
    const withPositions = await written(shape, tensors, { position_ids: true });
    const text = tokensFor(shape, 5);
    const alone = reference(model, [1, 5], text);
    const ids = [...text, 1, 1, 1, 1, ...text];
    const attention_mask = [1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 1];
    const position_ids = [0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 1, 2, 3, 4];
    // Without positions, an encoder of transformers counts the padding on the left too.
    const starts = familyOf(family).mask === "causal" ? [0, 9] : [0];
    for (const [got, compared] of [
      [await run(file, [2, 7], ids, { attention_mask }), starts],
      [await run(withPositions, [2, 7], ids, { attention_mask, position_ids }), [0, 9]],
    ] as const)
      for (const start of compared)
        expect(
          computeRelativeError(got.subarray(start * vocabulary, (start + 5) * vocabulary), alone),
        ).toBeLessThan(1e-5);
  });

  it("fixes the configured sizes", async () => {
    const file = await written(shape, tensors, sizes);
    expect(
      computeRelativeError(await run(file, [batch, time], tokensFor(shape)), reference(model)),
    ).toBeLessThan(1e-5);
    await expect(run(file, [1, time], tokensFor(shape, time))).rejects.toThrow(/invalid dimensions/);
    const rows = await written(shape, tensors, { sequence_len: time });
    expect(
      computeRelativeError(await run(rows, [batch, time], tokensFor(shape)), reference(model)),
    ).toBeLessThan(1e-5);
    await expect(run(rows, [1, 3], tokensFor(shape, 3))).rejects.toThrow(/invalid dimensions/);
  });

  it("writes a step with past keys and values that computes the same logits token by token", async () => {
    const { context, layers, vocabulary } = dimensionsOf(shape);
    const options = { ...sizes, with_past: true };
    if (familyOf(family).mask !== "causal") {
      await expect(written(shape, tensors, options)).rejects.toThrow(/is an encoder.*leave out with_past/);
      return;
    }
    const file = await written(shape, tensors, options, "decoder_with_past_model.onnx");
    const { opsetImport } = modelProto.decode(file) as unknown as Decoded;
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    const session = await InferenceSession.create(file);
    const names = session.inputNames.filter((name) => name.startsWith("past_key_values."));
    expect(names).toHaveLength(2 * layers);
    expect(names).toContain("past_key_values.0.key");
    expect(context).toBeGreaterThan(time);
    let past = Object.fromEntries(
      session.inputMetadata
        .filter(({ name }) => names.includes(name))
        .map((each) => {
          const dims = (each as unknown as { readonly shape: readonly number[] }).shape;
          const numbers = new Float32Array(dims.reduce((a, b) => a * b, 1));
          return [each.name, new Tensor("float32", numbers, dims)];
        }),
    );
    const all = tokensFor(shape);
    const got = new Float32Array(batch * time * vocabulary);
    const column = (values: number[]) => new Tensor("int64", BigInt64Array.from(values, BigInt), [batch, 1]);
    for (let position = 0; position < time; position++) {
      const { logits, ...present } = await session.run({
        ...past,
        input_ids: column([all[position]!, all[time + position]!]),
        position_ids: column([position, position]),
      });
      for (let row = 0; row < batch; row++)
        got.set(
          (logits!.data as Float32Array).subarray(row * vocabulary, (row + 1) * vocabulary),
          (row * time + position) * vocabulary,
        );
      past = Object.fromEntries(
        Object.entries(present).map(([name, table]) => [name.replace("present.", "past_key_values."), table]),
      ) as typeof past;
    }
    expect(computeRelativeError(got, reference(model))).toBeLessThan(1e-4);
    await session.release();
  });

  it("uses only standard operators and contains every weight", async () => {
    const { opsetImport, graph } = modelProto.decode(await written(shape, tensors, {})) as unknown as Decoded;
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    expect(graph.node.filter(({ domain }) => domain !== "").map(({ opType }) => opType)).toEqual([]);
    expect(graph.input.map(({ name }) => name)).toEqual(["input_ids", "attention_mask"]);
    const names = new Set(graph.initializer.map(({ name }) => name));
    for (const name of tensors.keys()) expect(names).toContain(name);
  });
});

it("computes the logits of a pruned model", async () => {
  const shape = createTinyShape("phi3");
  const pruned = await magnitude.apply(
    { shape, tensors: drawModelTensors(shape, 8) },
    magnitude.options.parse({ sparsity: 0.5, targets: ["*.k_proj", "*.mlp.*"] }),
    plainLab,
  );
  const got = await run(await written(pruned.shape, pruned.tensors, {}), [batch, time], tokensFor(shape));
  expect(computeRelativeError(got, reference(pruned))).toBeLessThan(1e-5);
});

describe("a file of weights beside the model", () => {
  const shape = createTinyShape("llama", { hidden_size: 64, vocab_size: 257 });
  const model = { shape, tensors: drawModelTensors(shape, 8) };

  it("is written if configured, and read by the runtime", () =>
    inFolder(model, { external_data: true }, async (folder, { files, sizes }) => {
      const bytes = Object.fromEntries(files.map((file) => [file.name, file.bytes]));
      expect(bytes["model.onnx_data"]).toBeGreaterThan(64 * 257 * 4);
      expect(bytes["model.onnx"]).toBeLessThan(64 * 257 * 4);
      expect(sizes.find(({ kind }) => kind === "weights")!.after).toBe(
        bytes["model.onnx"]! + bytes["model.onnx_data"]!,
      );
      const got = await run(join(folder, "model.onnx"), [batch, time], tokensFor(shape));
      expect(computeRelativeError(got, reference(model))).toBeLessThan(1e-5);
    }));

  it("is written if the weights exceed the size limit of a message", () => {
    using folder = createTemporaryFolder();
    const weight = {
      name: "w",
      type: { dtype: "float32", shape: [600] },
      data: new Float32Array(600),
    } as const;
    const graph = {
      portable: true,
      nodes: [],
      functions: [],
      inputs: [],
      outputs: [],
      initializers: [weight],
    };
    writeOnnx(folder.path, "small.onnx", graph, { external: false, limit: 2400 });
    writeOnnx(folder.path, "large.onnx", graph, { external: false, limit: 2399 });
    expect(readdirSync(folder.path).sort()).toEqual(["large.onnx", "large.onnx_data", "small.onnx"]);
    expect(statSync(join(folder.path, "large.onnx_data")).size).toBe(2400);
  });
});

it("refuses sequences that are longer than the context", async () => {
  const shape = createTinyShape("llama");
  await expect(written(shape, drawModelTensors(shape, 8), { sequence_len: 17 })).rejects.toThrow(
    /17 tokens are longer than/,
  );
});

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
