import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type HostTensors, readSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { exporters } from "../../../src/backend/exports/catalog";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel, importShape } from "../../../src/backend/imports/importModel";
import { listMatrixSlots, type ModelShape, withRepresentations } from "../../../src/backend/models/model";
import { createUniform } from "../../support/sampleValues";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";

const wide = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 };

/** A model whose projections of these roles are quantized. */
function createCoded(options: object, { pattern = /./, changes = {}, family = "llama" } = {}): ModelShape {
  const shape = createTinyShape(family, { ...wide, ...changes });
  const coded = { type: "quantised", options: { bits: 4, symmetric: true, residual: 0, ...options } };
  const roles = listMatrixSlots(shape).filter(
    ({ matrix }) => matrix.kind === "projection" && pattern.test(matrix.role),
  );
  return withRepresentations(shape, Object.fromEntries(roles.map(({ matrix }) => [matrix.role, coded])));
}

/** Codes and zero points of four bits over their whole range. */
function drawCodes(shape: ModelShape): HostTensors {
  const random = createUniform(7);
  return new Map(
    [...drawModelTensors(shape, 7)].map(([name, { shape: size, data }]) => [
      name,
      {
        shape: size,
        data: data instanceof Int8Array ? data.map(() => Math.floor(16 * random()) - 8) : data,
      },
    ]),
  );
}

/** The output of each four bits of a word, from the lowest ones on, among its eight. */
const order = [0, 2, 4, 6, 1, 3, 5, 7];

/** [rows, words] → [rows, 8 · words] */
const unpack = (words: Int32Array): number[] => {
  const codes = new Array<number>(8 * words.length);
  words.forEach((word, at) =>
    order.forEach((output, place) => (codes[8 * at + output] = (word >>> (4 * place)) & 15)),
  );
  return codes;
};

describe.each([{ group_size: 32 }, { group_size: 16, symmetric: false }, { symmetric: false }])(
  "%o",
  (options) => {
    it("has the weights of the model by AWQ's own formula, (code − zero point) · scale", async () => {
      const shape = createCoded(options);
      const tensors = drawCodes(shape);
      using folder = createTemporaryFolder();
      const target = join(folder.path, "awq");
      await exportModel({ shape, tensors }, { format: "awq" }, target);
      await exportModel({ shape, tensors }, { format: "safetensors" }, join(folder.path, "dense"));
      const coded = readSafetensors(join(target, "model.safetensors")).tensors;
      const dense = readSafetensors(join(folder.path, "dense", "model.safetensors")).tensors;
      const modules = [...coded.keys()].flatMap((name) =>
        name.endsWith(".qweight") ? [name.slice(0, -8)] : [],
      );
      expect(modules.length).toBe(14);
      for (const module of modules) {
        const weight = dense.get(`${module}.weight`)!;
        const [outputs, inputs] = weight.shape as [number, number];
        expect(coded.get(`${module}.qweight`)!.shape).toEqual([inputs, outputs / 8]);
        const codes = unpack(coded.get(`${module}.qweight`)!.data as Int32Array);
        const zeros = unpack(coded.get(`${module}.qzeros`)!.data as Int32Array);
        const scales = coded.get(`${module}.scales`)!.data as Float32Array;
        const size = (inputs * outputs) / scales.length;
        // The scales of the file are rounded to float16, those of the dense matrix are not.
        const wrong = (weight.data as Float32Array).findIndex((expected, at) => {
          const [output, input] = [Math.floor(at / inputs), at % inputs];
          const place = Math.floor(input / size) * outputs + output;
          const value = (codes[input * outputs + output]! - zeros[place]!) * scales[place]!;
          return (
            Math.abs(value - expected) > Math.abs(expected) * 2 ** -10 ||
            Math.sign(value) !== Math.sign(expected)
          );
        });
        expect(wrong, module).toBe(-1);
      }
      const { quantization_config: config } = JSON.parse(
        readFileSync(join(target, "config.json"), "utf8"),
      ) as Record<string, object>;
      expect(config).toEqual({
        quant_method: "awq",
        version: "gemm",
        bits: 4,
        group_size: "group_size" in options ? options.group_size : -1,
        zero_point: true,
        modules_to_not_convert: ["lm_head"],
      });
    });
  },
);

describe("what has no form in the layout is refused", () => {
  it.each<[string, () => ModelShape, RegExp]>([
    ["a model without codes", () => createTinyShape("llama"), /none of its matrices is quantized/],
    ["other bits", () => createCoded({ bits: 3 }), /3 bits.*: the format has codes of 4 bits/],
    [
      "other groups",
      () => createCoded({ group_size: 8 }),
      /groups of 8.*: the format has groups of 16, 32, 64, 128, or one/,
    ],
    [
      "outputs that do not fill words",
      () => createCoded({}, { changes: { intermediate_size: 100 } }),
      /its 100 outputs have to be a multiple of 8/,
    ],
    [
      "different codings",
      () =>
        withRepresentations(createCoded({ group_size: 32 }), {
          ...createCoded({ group_size: 32 }).representations,
          "layers.1.mlp.down_proj": {
            type: "quantised",
            options: { bits: 4, symmetric: true, residual: 0, group_size: 16 },
          },
        }),
      /down_proj \(4 bits, groups of 16, symmetric\): the format has one coding for all matrices/,
    ],
    [
      "Conv1D layers",
      () =>
        withRepresentations(createTinyShape("gpt2"), {
          "layers.0.mlp.up_proj": { type: "quantised", options: { bits: 4, symmetric: true, residual: 0 } },
        }),
      /Conv1D layer in transformers, which AWQ does not quantize/,
    ],
  ])("%s", (_, create, message) => {
    const exporter = exporters["awq"]!;
    expect(exporter.refuses!(create(), exporter.options.parse({}))).toMatch(message);
  });
});

it("names the modules that stay dense", async () => {
  const shape = createCoded({ group_size: 32 }, { pattern: /mlp/ });
  using folder = createTemporaryFolder();
  const target = join(folder.path, "awq");
  await exportModel({ shape, tensors: drawCodes(shape) }, { format: "awq" }, target);
  const { quantization_config: config } = JSON.parse(
    readFileSync(join(target, "config.json"), "utf8"),
  ) as Record<string, { modules_to_not_convert: string[] }>;
  expect(config!.modules_to_not_convert).toHaveLength(2 * 4 + 1);
  expect(config!.modules_to_not_convert).toContain("model.layers.1.self_attn.o_proj");
});

describe("a folder is read again with its codes", () => {
  it.each([
    { options: { group_size: 32, symmetric: false } },
    { options: { group_size: 16, symmetric: false }, pattern: /mlp/ },
    { options: { symmetric: false } },
  ])("%o", async ({ options, ...more }) => {
    for (const family of ["llama", "phi3"]) {
      const shape = createCoded(options, { ...more, family });
      const tensors = drawCodes(shape);
      using folder = createTemporaryFolder();
      const target = join(folder.path, "awq");
      await exportModel({ shape, tensors }, { format: "awq" }, target);
      const model = await importModel(target);
      // Also without weights, as a plan reads it.
      expect(await importShape(target, ".")).toEqual(model.shape);
      expect(Object.keys(model.shape.representations).sort()).toEqual(
        Object.keys(shape.representations).sort(),
      );
      for (const [name, { data }] of tensors) {
        const found = model.tensors.get(name)!.data;
        // Everything but codes and zero points is rounded to float16.
        const wrong = data.findIndex((value, i) =>
          data instanceof Int8Array
            ? found[i] !== value
            : Math.abs(found[i]! - value) > Math.abs(value) * 2 ** -11 + 2 ** -25,
        );
        expect([name, found.length, wrong]).toEqual([name, data.length, -1]);
      }
    }
  });

  it("and symmetric codes have the zero point in the middle of their range", async () => {
    const shape = createCoded({ group_size: 32 });
    const tensors = drawCodes(shape);
    using folder = createTemporaryFolder();
    const target = join(folder.path, "awq");
    await exportModel({ shape, tensors }, { format: "awq" }, target);
    const { tensors: found } = await importModel(target);
    const name = "model.layers.1.mlp.up_proj.weight_";
    expect(found.get(`${name}codes`)!.data).toEqual(tensors.get(`${name}codes`)!.data);
    expect(new Set(found.get(`${name}zeros`)!.data)).toEqual(new Set([0]));
  });
});
