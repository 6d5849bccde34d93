/** The graph of transformers.js and onnxruntime-genai, whose keys and values grow: the same logits whatever part of a text is past. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { constant } from "../../../src/backend/graph/op";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { models } from "../../../src/backend/models/catalog";
import {
  dimensionsOf,
  familyOf,
  forward,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { computeRelativeError, createUniform } from "../../support/sampleValues";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

interface Model {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
}

function drawText({ shape }: Model, length: number): number[] {
  const random = createUniform(3);
  return Array.from({ length }, () => Math.floor(random() * dimensionsOf(shape).vocabulary));
}

/** Logits [text, vocabulary] of the stored model by the plain evaluator, without a past. */
function reference({ shape, tensors }: Model, text: readonly number[]): Float64Array {
  const tokens = constant(Int32Array.from(text), [1, text.length]);
  const logits = forward(shape, createLookup(createValues(parametersOf(shape))), { tokens });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { logits } }, feeds)["logits"]!;
}

type Rows = readonly (readonly number[])[];
const ids = (rows: Rows) =>
  new Tensor("int64", BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

/** Reads texts in several calls, of which each continues the past of the one before. */
class Reader {
  private constructor(
    private readonly shape: ModelShape,
    private readonly session: InferenceSession,
  ) {}

  static async open(model: Model, format = "genai"): Promise<Reader> {
    using folder = createTemporaryFolder();
    const target = join(folder.path, "out");
    await exportModel(model, { format }, target);
    return new Reader(model.shape, await InferenceSession.create(readFileSync(join(target, "model.onnx"))));
  }

  /** Logits by call, each [rows, tokens of the call, vocabulary]. `mask` is 0 for padding on the left. */
  async read(rows: Rows, mask: Rows, ends: readonly number[]): Promise<Float32Array[]> {
    const { kvHeads, headDim } = dimensionsOf(this.shape);
    const positions = mask.map((row) => {
      let count = 0;
      return row.map((each) => Math.max(0, (count += each) - 1));
    });
    const empty = new Tensor("float32", new Float32Array(), [rows.length, kvHeads, 0, headDim]);
    const names = this.session.inputNames.filter((name) => name.startsWith("past_key_values."));
    let past = Object.fromEntries(names.map((name) => [name, empty]));
    const found: Float32Array[] = [];
    for (const [i, end] of ends.entries()) {
      const start = i === 0 ? 0 : ends[i - 1]!;
      const { logits, ...present } = await this.session.run({
        ...past,
        input_ids: ids(rows.map((row) => row.slice(start, end))),
        attention_mask: ids(mask.map((row) => row.slice(0, end))),
        position_ids: ids(positions.map((row) => row.slice(start, end))),
      });
      found.push(logits!.data as Float32Array);
      past = Object.fromEntries(
        Object.entries(present).map(([name, each]) => [
          name.replace("present.", "past_key_values."),
          each as typeof empty,
        ]),
      );
      for (const each of Object.values(past)) expect(each.dims).toEqual([rows.length, kvHeads, end, headDim]);
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session.release();
  }
}

const ones = (length: number) => Array.from({ length }, () => 1);

async function expectSameLogits(model: Model, limit = 2e-5): Promise<void> {
  await using reader = await Reader.open(model);
  const text = drawText(model, 12);
  const expected = reference(model, text);
  for (const ends of [[12], [5, 12], [4, 5, 6, 7, 12]]) {
    const parts = await reader.read([text], [ones(12)], ends);
    expect(
      computeRelativeError(
        parts.flatMap((part) => [...part]),
        expected,
      ),
      ends.join(),
    ).toBeLessThan(limit);
  }
}

const decoders = Object.keys(models).filter((family) => familyOf(family).mask === "causal");

describe.each(decoders)("%s", (family) => {
  const shape = createTinyShape(family);
  const model = { shape, tensors: drawModelTensors(shape, 8) };

  it("has the logits of a text however it is divided", () => expectSameLogits(model));

  it("has the logits of a text beside a longer one, with padding on the left", async () => {
    const { vocabulary } = dimensionsOf(shape);
    await using reader = await Reader.open(model);
    const long = drawText(model, 10);
    const short = long.slice(4);
    const [first, second] = await reader.read(
      [long, [1, 1, 1, 1, ...short]],
      [ones(10), [0, 0, 0, 0, ...ones(6)]],
      [7, 10],
    );
    const part = (logits: Float32Array, rows: number, row: number, from: number) =>
      [...logits].slice((row * rows + from) * vocabulary, (row + 1) * rows * vocabulary);
    const ofLong = [...part(first!, 7, 0, 0), ...part(second!, 3, 0, 0)];
    const ofShort = [...part(first!, 7, 1, 4), ...part(second!, 3, 1, 0)];
    expect(computeRelativeError(ofLong, reference(model, long))).toBeLessThan(2e-5);
    expect(computeRelativeError(ofShort, reference(model, short))).toBeLessThan(2e-5);
  });
});

it("keeps codes, factors and masks of matrices", async () => {
  const wide = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 };
  const shape = withRepresentations(createTinyShape("llama", wide), {
    "layers.0.mlp.down_proj": { type: "quantised", options: { bits: 4, group_size: 32, symmetric: false } },
    "layers.1.mlp.up_proj": { type: "factored", options: { rank: 8 } },
    "layers.1.self_attn.q_proj": { type: "masked", options: {} },
    "layers.1.self_attn.k_proj": { type: "sliced", options: { outputs: 16 } },
  });
  await expectSameLogits({ shape, tensors: drawModelTensors(shape, 8) }, 5e-5);
});

it("chooses the frequencies of longrope by the longest text", async () => {
  const rope_scaling = { type: "longrope", short_factor: [1, 2], long_factor: [3, 7] };
  const shape = createTinyShape("phi3", {
    hidden_size: 16,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    original_max_position_embeddings: 8,
    rope_scaling,
  });
  const model = { shape, tensors: drawModelTensors(shape, 8) };
  await using reader = await Reader.open(model);
  for (const length of [6, 12]) {
    const text = drawText(model, length);
    const [found] = await reader.read([text], [ones(length)], [length]);
    expect(computeRelativeError(found!, reference(model, text))).toBeLessThan(2e-5);
  }
  using folder = createTemporaryFolder();
  const { notices } = await exportModel(model, { format: "genai" }, join(folder.path, "out"));
  expect(notices.join("\n")).toMatch(/Beyond 8 tokens .*longrope changes the rotary frequencies/);
  const config = JSON.parse(readFileSync(join(folder.path, "out", "genai_config.json"), "utf8")) as object;
  expect(config).toMatchObject({ model: { context_length: 8 }, search: { max_length: 8 } });
});

describe("refuses", () => {
  it.each<[string, ModelShape, RegExp]>([
    ["encoders", createTinyShape("bert"), /it is an encoder, which does not continue texts/],
    ["classifiers", createTinyShape("llama", { num_labels: 3 }), /it is a classifier/],
    [
      "too few positions",
      createTinyShape("llama", { max_position_embeddings: 8 }),
      /it has 8 positions, and the graph needs at least 10/,
    ],
  ])("%s", async (_, shape, message) => {
    const refused = exportModel(
      { shape, tensors: drawModelTensors(shape, 8) },
      { format: "genai" },
      "unused",
    );
    await expect(refused).rejects.toThrow(message);
  });
});
