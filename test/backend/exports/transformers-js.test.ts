import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { listPushedFiles } from "../../../src/backend/exports/hub/pushFolder";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { constant } from "../../../src/backend/graph/op";
import { models } from "../../../src/backend/models/catalog";
import { createClassifierShape } from "../../../src/backend/models/classifier";
import {
  buildHiddenStates,
  dimensionsOf,
  familyOf,
  forward,
  type ModelShape,
  parametersOf,
} from "../../../src/backend/models/model";
import { computeRelativeError } from "../../support/sampleValues";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

interface Model {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
}

const draw = (shape: ModelShape): Model => ({ shape, tensors: drawModelTensors(shape, 8) });

async function withFolder(
  model: Model,
  options: object,
  use: (folder: string, config: Readonly<Record<string, unknown>>) => Promise<void> | void,
): Promise<void> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  await exportModel(model, { format: "transformers-js", ...options }, target);
  await use(
    target,
    JSON.parse(readFileSync(join(target, "config.json"), "utf8")) as Readonly<Record<string, unknown>>,
  );
}

/** By the plain evaluator, for one text. */
function reference(
  { shape, tensors }: Model,
  build: typeof forward,
  tokens: readonly number[],
  types?: readonly number[],
): Float64Array {
  const row = (ids: readonly number[]) => constant(Int32Array.from(ids), [1, ids.length]);
  const value = build(shape, createLookup(createValues(parametersOf(shape))), {
    tokens: row(tokens),
    ...(types === undefined ? {} : { types: row(types) }),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { value } }, feeds)["value"]!;
}

const text = [3, 9, 4, 11, 7];
const types = [0, 0, 0, 1, 1];
const pad = [1, 1, 1];

/** The only output for the text beside a longer one, with padding on the right. */
async function run(folder: string): Promise<{ readonly name: string; readonly output: Tensor }> {
  const session = await InferenceSession.create(readFileSync(join(folder, "onnx", "model.onnx")));
  const rows: Readonly<Record<string, readonly number[]>> = {
    input_ids: [...text, ...pad, 2, 4, 6, 8, 10, 5, 3, 1],
    attention_mask: [1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
    token_type_ids: [...types, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  };
  const feeds = session.inputNames.map(
    (name) => [name, new Tensor("int64", BigInt64Array.from(rows[name]!, BigInt), [2, 8])] as const,
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  const [[name, output]] = Object.entries(results) as [[string, Tensor]];
  return { name, output };
}

const families = Object.keys(models);
const encoders = families.filter((family) => familyOf(family).mask !== "causal");

describe.each(encoders)("%s", (family) => {
  const shape = createTinyShape(family);
  const hasTypes = family !== "distilbert";
  const ownTypes = hasTypes ? types : undefined;

  it("has the logits of hidden tokens, with the types of tokens", () => {
    const model = draw(shape);
    return withFolder(model, {}, async (folder) => {
      const { name, output } = await run(folder);
      const { vocabulary } = dimensionsOf(shape);
      expect([name, output.dims]).toEqual(["logits", [2, 8, vocabulary]]);
      const found = (output.data as Float32Array).subarray(0, 5 * vocabulary);
      expect(computeRelativeError(found, reference(model, forward, text, ownTypes))).toBeLessThan(1e-5);
    });
  });

  it("has the logits of classes, and their names", () => {
    const model = draw(createClassifierShape(shape, { kind: "classes", names: ["good", "bad", "so-so"] }));
    return withFolder(model, {}, async (folder, config) => {
      const { name, output } = await run(folder);
      expect([name, output.dims]).toEqual(["logits", [2, 3]]);
      const expected = reference(model, forward, text, ownTypes).slice(0, 3);
      expect(computeRelativeError((output.data as Float32Array).subarray(0, 3), expected)).toBeLessThan(1e-5);
      expect(config).toMatchObject({ id2label: { 0: "good", 1: "bad", 2: "so-so" } });
      expect(String(config["architectures"])).toMatch(/ForSequenceClassification$/);
    });
  });

  it("has hidden states for feature extraction", () => {
    const model = draw(shape);
    return withFolder(model, { output: "last_hidden_state" }, async (folder) => {
      const { name, output } = await run(folder);
      const { width } = dimensionsOf(shape);
      expect([name, output.dims]).toEqual(["last_hidden_state", [2, 8, width]]);
      const expected = reference(model, buildHiddenStates, text, ownTypes);
      const found = (output.data as Float32Array).subarray(0, 5 * width);
      expect(computeRelativeError(found, expected)).toBeLessThan(1e-5);
    });
  });
});

it("names the file and the sizes of an empty past in config.json", async () => {
  const shape = createTinyShape("phi", { num_key_value_heads: undefined });
  const { kvHeads, headDim } = dimensionsOf(shape);
  await withFolder(draw(shape), { external_data: true }, (folder, config) => {
    expect(config).toMatchObject({
      num_key_value_heads: kvHeads,
      head_dim: headDim,
      "transformers.js_config": { dtype: "fp32", use_external_data_format: true },
    });
    const files = ["config.json", "onnx/model.onnx", "onnx/model.onnx_data"];
    expect(listPushedFiles(folder).map(({ name }) => name)).toEqual(files);
  });
  await withFolder(draw(shape), {}, (_, config) =>
    expect(config["transformers.js_config"]).toEqual({ dtype: "fp32" }),
  );
});

describe("refuses", () => {
  it.each<[string, ModelShape, object, RegExp]>([
    ["kphi3", createTinyShape("kphi3"), {}, /there is no class for kphi3 in transformers.js/],
    [
      "classifiers of decoders",
      createTinyShape("llama", { num_labels: 3 }),
      {},
      /there is no class LlamaForSequenceClassification in transformers.js/,
    ],
    [
      "hidden states of decoders",
      createTinyShape("llama"),
      { output: "last_hidden_state" },
      /only encoders have the output last_hidden_state/,
    ],
    [
      "hidden states of classifiers",
      createTinyShape("bert", { num_labels: 3 }),
      { output: "last_hidden_state" },
      /it is a classifier, whose output is logits/,
    ],
    [
      "too few positions",
      createTinyShape("bert", { max_position_embeddings: 3 }),
      {},
      /it has 3 positions, which are too few/,
    ],
  ])("%s", async (_, shape, options, message) => {
    const refused = exportModel(draw(shape), { format: "transformers-js", ...options }, "unused");
    await expect(refused).rejects.toThrow(message);
  });
});
