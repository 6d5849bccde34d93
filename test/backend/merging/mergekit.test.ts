/** Merges against mergekit on the same weights (scripts/reference/merging.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { HostTensor } from "../../../src/backend/checkpoints/safetensors";
import { mergeModels } from "../../../src/backend/merging/mergeModels";
import { readMergekitConfiguration } from "../../../src/backend/merging/mergekit";
import { keepAtRandom, keepLargest } from "../../../src/backend/merging/taskVectors";
import { createShape, parametersOf } from "../../../src/backend/models/model";
import { createReferenceTensor, drawUniform } from "../../support/referenceModel";

const bound = 0.3;
const fixture = JSON.parse(readFileSync(new URL("../../fixtures/merging.json", import.meta.url), "utf8")) as {
  readonly config: Record<string, unknown>;
  readonly merged: Record<
    string,
    { readonly configuration: unknown; readonly tensors: Record<string, number[]> }
  >;
  readonly dropped: readonly {
    readonly density: number;
    readonly largest: number[];
    readonly norm: number[];
    readonly none: number[];
  }[];
};
const shape = createShape({ model_type: "llama", ...fixture.config });
const context = { seed: 0, signal: new AbortController().signal, progress: () => undefined };

/** The base, or a model that numbers drawn for its name were added to. */
function createTensors(model: string): Map<string, HostTensor> {
  return new Map(
    parametersOf(shape).map(({ name, shape: size }) => {
      const base = createReferenceTensor(name, size, bound);
      const added = drawUniform(`${model} ${name}`, base.length, bound);
      const data = model === "base" ? base : base.map((value, i) => value + Math.fround(added[i]!));
      return [name, { shape: size, data }];
    }),
  );
}

function expectClose(found: ArrayLike<number>, wanted: readonly number[]): void {
  for (const [i, value] of wanted.entries()) expect(Math.abs(found[i]! - value)).toBeLessThan(1e-6);
}

describe("merges equal those of mergekit", () => {
  it.each(Object.entries(fixture.merged))("%s", async (_, { configuration, tensors: wanted }) => {
    const { base, method, options } = readMergekitConfiguration(configuration);
    const merged = await mergeModels(
      { shape, tensors: createTensors(base) },
      method.models(options).map((name) => ({ tensors: createTensors(name) })),
      method,
      options,
      context,
    );
    expect([...merged.keys()].sort()).toEqual(Object.keys(wanted).sort());
    for (const [name, values] of Object.entries(wanted)) expectClose(merged.get(name)!.data, values);
  });

  it.each(fixture.dropped)("in what a density of $density keeps", ({ density, largest, norm, none }) => {
    const create = () => Float32Array.from(drawUniform(`values ${density}`, 40, bound));
    const chances = drawUniform(`chances ${density}`, 40, 1);
    const drop = (rescale: "norm" | "none" | "density") => {
      const values = create();
      let i = 0;
      keepAtRandom(values, density, rescale, () => (chances[i++]! + 1) / 2);
      return values;
    };
    expectClose(drop("norm"), norm);
    expectClose(drop("none"), none);
    // As published: what stays is divided by the density.
    expectClose(
      drop("density"),
      none.map((value) => value / density),
    );
    const values = create();
    keepLargest(values, density);
    expectClose(values, largest);
  });
});

describe("a configuration of mergekit is refused by its key", () => {
  const models = [
    { model: "a", parameters: { weight: 1 } },
    { model: "b", parameters: { weight: 1 } },
  ];
  it.each([
    ["an unknown method", { merge_method: "karcher", models }, /merge_method/],
    ["an unknown key", { merge_method: "linear", models, modules: {} }, /modules/],
    [
      "models and slices",
      {
        merge_method: "linear",
        models,
        slices: [{ sources: models.map((each) => ({ ...each, layer_range: [0, 3] })) }],
      },
      /either models or slices/,
    ],
    ["neither", { merge_method: "linear" }, /either models or slices/],
    [
      "a missing weight",
      { merge_method: "linear", models: [models[0], { model: "b" }] },
      /parameters\.weight of b is missing/,
    ],
    ["a missing base", { merge_method: "ties", models }, /base_model: ties needs one/],
    [
      "a base of a mean",
      { merge_method: "linear", base_model: "c", models },
      /base_model: a mean has no base/,
    ],
    [
      "three models on an arc",
      { merge_method: "slerp", base_model: "c", models, parameters: { t: 0.5 } },
      /one other model/,
    ],
    ["a missing t", { merge_method: "slerp", base_model: "a", models }, /parameters\.t is missing/],
    [
      "a t beyond 1",
      { merge_method: "slerp", base_model: "a", models, parameters: { t: 1.5 } },
      /t: has to be from 0 to 1/,
    ],
    [
      "a density beyond 1",
      { merge_method: "ties", base_model: "c", models, parameters: { density: 2 } },
      /density: has to be from 0 to 1/,
    ],
    [
      "layers of several models",
      {
        merge_method: "linear",
        slices: [
          { sources: [{ ...models[0], layer_range: [0, 2] }] },
          { sources: [{ ...models[1], layer_range: [1, 3] }] },
        ],
      },
      /put together from layers/,
    ],
    [
      "a union of tokenizers",
      { merge_method: "linear", models, tokenizer_source: "union" },
      /tokenizer_source: union/,
    ],
    [
      "another parameter",
      { merge_method: "ties", base_model: "c", models, parameters: { gamma: 0.1 } },
      /parameters\.gamma is not supported/,
    ],
    ["a text instead of keys", "linear", /The configuration/],
  ])("%s", (_, configuration, message) => {
    expect(() => readMergekitConfiguration(configuration)).toThrow(message);
  });
});
