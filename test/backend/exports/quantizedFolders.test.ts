/** Folders in which the codes of a quantized model are packed for other programs, and the models that are read from them. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type HostTensor,
  type HostTensors,
  readSafetensors,
  writeSafetensors,
} from "../../../src/backend/checkpoints/safetensors";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { importModel, importShape } from "../../../src/backend/imports/importModel";
import {
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { refuseExport } from "../../../src/backend/runs/actions/export";
import type { Step } from "../../../src/protocol/run";
import { createUniform } from "../../support/sampleValues";
import { createTemporaryFolder, createTinyShape, drawModelTensors } from "../../support/subject";

const wide = { hidden_size: 64, intermediate_size: 96, num_attention_heads: 4, num_key_value_heads: 2 };

type Options = Readonly<Record<string, unknown>>;

/** A model whose projections are quantized, all or those that a pattern matches. */
function createCoded(family: string, options: Options, pattern = /./, changes: object = {}): ModelShape {
  const shape = createTinyShape(family, { ...wide, ...changes });
  const coded = { type: "quantised", options: { bits: 4, symmetric: true, residual: 0, ...options } };
  const roles = listMatrixSlots(shape).filter(
    ({ matrix }) => matrix.kind === "projection" && pattern.test(matrix.role),
  );
  return withRepresentations(shape, Object.fromEntries(roles.map(({ matrix }) => [matrix.role, coded])));
}

/** Codes and zero points over the whole range of the bits. */
function drawCodes(shape: ModelShape, seed: number): HostTensors {
  const random = createUniform(seed);
  const drawn = new Map(drawModelTensors(shape, seed));
  for (const { name, shape: size, dtype, packing } of parametersOf(shape)) {
    const { bits = 8 } = packing?.integers ?? {};
    const draw = () =>
      packing?.ternary === true
        ? Math.floor(3 * random()) - 1
        : Math.floor(2 ** bits * random()) - 2 ** (bits - 1);
    if (dtype === "int8")
      drawn.set(name, { shape: size, data: (drawn.get(name)!.data as Int8Array).map(draw) });
  }
  return drawn;
}

const plain = (tensors: HostTensors) => new Map([...tensors].map(([name, { data }]) => [name, data]));

async function withFolder(
  subject: { readonly shape: ModelShape; readonly tensors: HostTensors },
  options: { readonly format: string } & Options,
  use: (folder: string, notices: string) => Promise<void> | void,
): Promise<void> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  const { notices } = await exportModel(subject, options, target);
  await use(target, notices.join("\n"));
}

const codings: readonly Options[] = [
  { bits: 4, group_size: 32 },
  { bits: 4, group_size: 16, symmetric: false },
  { bits: 3 },
  { bits: 3, group_size: 32, symmetric: false },
  { bits: 8, symmetric: false },
  { bits: 2, group_size: 32, ternary: true },
];

describe.each([
  { format: "gptq", dtype: "float32", checkpoint_format: "gptq_v2" },
  { format: "compressed-tensors", dtype: "float32", max_shard_size: "30KB" },
])("$format", (format) => {
  it.each(codings)("reads the codes of %o again", async (options) => {
    for (const family of ["llama", "phi3"]) {
      const shape = createCoded(family, options);
      const tensors = drawCodes(shape, 3);
      await withFolder({ shape, tensors }, format, async (folder) => {
        const model = await importModel(folder);
        expect(plain(model.tensors)).toEqual(plain(tensors));
        const kept = Object.entries(model.shape.representations).map(([role, { type }]) => [role, type]);
        expect(Object.fromEntries(kept)).toEqual(
          Object.fromEntries(Object.keys(shape.representations).map((role) => [role, "quantised"])),
        );
        expect(model.shape.config).not.toHaveProperty("quantization_config");
        // Also without weights, as a plan reads it.
        expect(await importShape(folder, ".")).toEqual(model.shape);
      });
    }
  });

  it("writes masked weights as codes of zero", async () => {
    const shape = createCoded("llama", { bits: 4, group_size: 32, symmetric: false, kept: 20 });
    const tensors = drawCodes(shape, 3);
    await withFolder({ shape, tensors }, format, async (folder) => {
      const { tensors: read } = await importModel(folder);
      const name = "model.layers.1.mlp.up_proj";
      const [codes, zeros] = ["codes", "zeros"].map(
        (each) => read.get(`${name}.weight_${each}`)!.data as Int8Array,
      );
      const mask = tensors.get(`${name}.weight_mask`)!.data;
      const own = tensors.get(`${name}.weight_codes`)!.data;
      codes!.forEach((code, i) => {
        const zero = zeros![Math.floor(i / 96 / 32) * 96 + (i % 96)];
        expect(code).toBe(mask[i] === 1 ? own[i] : zero);
      });
    });
  });

  it("rounds scales to float16 by default, and reports bytes and rounding", async () => {
    const shape = createCoded("llama", { bits: 4, group_size: 32 });
    const { dtype: _, ...others } = format;
    await withFolder({ shape, tensors: drawCodes(shape, 3) }, others, (_folder, notices) => {
      expect(notices).toMatch(/The tensors take [\d,]+ bytes, \d+\.\d+ bits per weight/);
      expect(notices).toMatch(
        /Codes are written as they are. Scales are rounded to float16, by 0.0\d+ % at most/,
      );
      expect(notices).not.toMatch(/nothing is saved/);
    });
  });

  it.each<[string, Options, RegExp]>([
    ["a low-rank product", { residual: 2 }, /a low-rank product is added to its codes \(residual\)/],
    ["zero points in float32", { symmetric: false, float_zeros: true }, /its zero points are not codes/],
    ["rounded inputs", { activations: { bits: 8, clip_ratio: 1 } }, /its inputs are rounded as well/],
  ])("refuses %s when a plan is checked", (_, options, message) => {
    const shape = createCoded("llama", options);
    expect(() => refuseExport(shape, createStep(format))).toThrow(message);
  });

  it("refuses models without codes, and codes of embeddings and of GPT-2's layers", () => {
    const check = (shape: ModelShape) => () => refuseExport(shape, createStep(format));
    expect(check(createTinyShape("llama"))).toThrow(/none of its matrices is quantized/);
    const coded = { type: "quantised", options: { bits: 4 } };
    expect(check(withRepresentations(createCoded("llama", {}), { embed_tokens: coded }))).toThrow(
      /embed_tokens is quantized, and the format has only matrices of linear layers/,
    );
    expect(check(withRepresentations(createTinyShape("gpt2"), { "layers.0.mlp.up_proj": coded }))).toThrow(
      /Conv1D layer/,
    );
  });
});

const createStep = ({ format, ...options }: { readonly format: string } & Options): Step =>
  ({ action: "export", index: 0, options: { format, ...options } }) as unknown as Step;

describe("gptq", () => {
  const check = (shape: ModelShape) => () => refuseExport(shape, createStep({ format: "gptq" }));

  it.each<[string, () => ModelShape, RegExp]>([
    ["other bits", () => createCoded("llama", { bits: 5 }), /the format has codes of 2, 3, 4, 8 bits/],
    [
      "sizes that do not fill words",
      () => createCoded("llama", {}, /./, { intermediate_size: 72 }),
      /72 outputs have to be multiples of 32/,
    ],
    [
      "dense layers",
      () => createCoded("llama", {}, /mlp/),
      /q_proj is not quantized, and the format quantizes all/,
    ],
    [
      "different codings",
      () => {
        const shape = createCoded("llama", {});
        const other = { type: "quantised", options: { bits: 8 } };
        return withRepresentations(shape, { "layers.1.mlp.down_proj": other });
      },
      /down_proj \(8 bits, one group, symmetric\): the format has one coding for all matrices, and layers.0.self_attn.q_proj has 4 bits/,
    ],
  ])("refuses %s", (_, create, message) => {
    expect(check(create())).toThrow(message);
  });

  it("refuses a zero point at the lowest code in its first layout", async () => {
    const shape = createCoded("llama", { bits: 4, symmetric: false });
    const subject = { shape, tensors: drawCodes(shape, 3) };
    await expect(withFolder(subject, { format: "gptq" }, () => undefined)).rejects.toThrow(
      /has a zero point at the lowest code, .* Set checkpoint_format: gptq_v2/,
    );
    for (const { name, dtype, shape: size } of parametersOf(shape))
      if (dtype === "int8" && name.endsWith("_zeros"))
        (subject.tensors as Map<string, HostTensor>).set(name, {
          shape: size,
          data: new Int8Array(size[0]! * size[1]!).fill(7),
        });
    await withFolder(subject, { format: "gptq", dtype: "float32" }, async (folder) =>
      expect(plain((await importModel(folder)).tensors)).toEqual(plain(subject.tensors)),
    );
  });
});

it("writes different codings in groups of modules for compressed-tensors, and leaves the others dense", async () => {
  const shape = withRepresentations(createCoded("llama", { group_size: 32 }, /mlp/), {
    "layers.1.mlp.down_proj": { type: "quantised", options: { bits: 5, symmetric: false } },
  });
  const tensors = drawCodes(shape, 3);
  await withFolder(
    { shape, tensors },
    { format: "compressed-tensors", dtype: "float32" },
    async (folder, notices) => {
      expect(notices).toMatch(/does not load packed zero points/);
      expect(plain((await importModel(folder)).tensors)).toEqual(plain(tensors));
      const { quantization_config: config } = readConfig(folder);
      expect(config).toMatchObject({
        quant_method: "compressed-tensors",
        format: "pack-quantized",
        config_groups: { group_1: { targets: ["model.layers.1.mlp.down_proj"], weights: { num_bits: 5 } } },
      });
      expect(config.ignore).toContain("lm_head");
    },
  );
});

function readConfig(
  folder: string,
): { quantization_config: Record<string, unknown> } & Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as ReturnType<typeof readConfig>;
}

describe("quantized folders that do not fit are refused", () => {
  type Format = "gptq" | "awq" | "compressed-tensors";
  const change = async (format: Format, edit: (folder: string) => void, message: RegExp): Promise<void> => {
    const shape = createCoded("llama", { group_size: 32 });
    await withFolder({ shape, tensors: drawCodes(shape, 3) }, { format }, async (folder) => {
      edit(folder);
      await expect(importModel(folder)).rejects.toThrow(message);
    });
  };
  const setKeys = (keys: object) => (folder: string) => {
    const config = readConfig(folder);
    const changed = { ...config, quantization_config: { ...config.quantization_config, ...keys } };
    writeFileSync(join(folder, "config.json"), JSON.stringify(changed));
  };
  const setTensor =
    (name: string, make: (data: Int32Array, shape: readonly number[]) => object | undefined) =>
    (folder: string) => {
      const file = join(folder, "model.safetensors");
      const tensors = new Map(readSafetensors(file).tensors);
      const { data, shape } = tensors.get(name)!;
      const made = make(data as Int32Array, shape);
      tensors.delete(name);
      if (made !== undefined) tensors.set(name, { shape, data, ...made });
      writeSafetensors(file, tensors);
    };
  const module = "model.layers.0.self_attn.k_proj";

  it.each<[Format, string, (folder: string) => void, RegExp]>([
    [
      "gptq",
      "another method",
      setKeys({ quant_method: "aqlm" }),
      /quant_method is "aqlm", but supported is "gptq", "awq" or "compressed-tensors"/,
    ],
    [
      "gptq",
      "other bits",
      setKeys({ bits: 5 }),
      /quantization_config.bits is 5, but supported is 2 or 3 or 4 or 8/,
    ],
    [
      "gptq",
      "an order of activations",
      setKeys({ desc_act: true }),
      /desc_act is true, but supported is false/,
    ],
    [
      "gptq",
      "an unknown key",
      setKeys({ dynamic: { "-:x": {} } }),
      /quantization_config.dynamic is .*nothing under this key/,
    ],
    [
      "gptq",
      "another group size",
      setKeys({ group_size: 16 }),
      /q_proj.scales is \[2, 64\] where 4 bits in 4 groups take \[4, 64\]/,
    ],
    ["gptq", "bits of another file", setKeys({ bits: 8 }), /q_proj.qweight is \[8, 64\] where 8 bits/],
    ["gptq", "a missing tensor", setTensor(`${module}.scales`, () => undefined), /k_proj.scales is missing/],
    [
      "gptq",
      "inputs in another order",
      setTensor(`${module}.g_idx`, (data) => ({ data: data.toReversed() })),
      /g_idx puts input 0 into group 1/,
    ],
    [
      "gptq",
      "zero points that are not in the middle",
      setTensor(`${module}.qzeros`, (data) => ({ data: data.map(() => 0x66666666) })),
      /has the zero point 7, but quantization_config.sym is true/,
    ],
    [
      "gptq",
      "codes as floats",
      setTensor(`${module}.qweight`, (data) => ({ data: Float32Array.from(data) })),
      /qweight is stored as F32, and supported is I32/,
    ],
    ["awq", "other bits", setKeys({ bits: 8 }), /quantization_config.bits is 8, but supported is 4/],
    [
      "awq",
      "another order of codes",
      setKeys({ version: "gemv" }),
      /quantization_config.version is "gemv", but supported is "gemm"/,
    ],
    [
      "awq",
      "another group size",
      setKeys({ group_size: 16 }),
      /q_proj.scales is \[2, 64\] where 4 bits in 4 groups take \[4, 64\]/,
    ],
    ["awq", "a missing tensor", setTensor(`${module}.qzeros`, () => undefined), /k_proj.qzeros is missing/],
    [
      "awq",
      "a module that is not converted",
      setKeys({ modules_to_not_convert: ["k_proj", "lm_head"] }),
      /k_proj.(qweight|weight) is/,
    ],
    [
      "compressed-tensors",
      "the size of another matrix",
      setTensor(`${module}.weight_shape`, () => ({ data: Int32Array.of(32, 63) })),
      /k_proj.weight_shape is \[32, 63\] where the configuration gives \[32, 64\]/,
    ],
    [
      "compressed-tensors",
      "another format",
      setKeys({ format: "marlin-24" }),
      /format is "marlin-24", but supported is "pack-quantized"/,
    ],
    [
      "compressed-tensors",
      "a quantized cache",
      setKeys({ kv_cache_scheme: { num_bits: 8 } }),
      /kv_cache_scheme is/,
    ],
    [
      "compressed-tensors",
      "rounded inputs",
      setKeys({
        config_groups: {
          group_0: {
            targets: ["Linear"],
            weights: { num_bits: 4, type: "int", strategy: "channel" },
            input_activations: { num_bits: 8 },
          },
        },
      }),
      /config_groups.group_0.input_activations is/,
    ],
    [
      "compressed-tensors",
      "floating-point codes",
      setKeys({
        config_groups: {
          group_0: { targets: ["Linear"], weights: { num_bits: 4, type: "float", strategy: "channel" } },
        },
      }),
      /config_groups.group_0.weights.type is "float", but supported is "int"/,
    ],
    [
      "compressed-tensors",
      "another ignored module",
      setKeys({ ignore: [] }),
      /lm_head.weight_codes is missing/,
    ],
    [
      "compressed-tensors",
      "a damaged pattern",
      setKeys({ ignore: ["re:("] }),
      /ignore is "re:\(", but supported is a valid regular expression/,
    ],
  ])("%s: %s", async (format, _, edit, message) => change(format, edit, message));
});
