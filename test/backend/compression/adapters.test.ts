/** Compares adapters with PEFT (scripts/reference/lora.py): forward pass, ten losses, counts, merged weights and files. */
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readSafetensors } from "../../../src/backend/checkpoints/safetensors";
import { createAdapters, mergeAdapters, planAdapters } from "../../../src/backend/compression/adapters";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { exportModel } from "../../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { openAdapter } from "../../../src/backend/imports/adapter";
import { countModel } from "../../../src/backend/models/accounting";
import { exportTensors } from "../../../src/backend/models/huggingFace";
import { initialize } from "../../../src/backend/models/initialize";
import { models } from "../../../src/backend/models/catalog";
import {
  createShape,
  createValue,
  forward,
  type ModelShape,
  parametersOf,
  withRepresentations,
} from "../../../src/backend/models/model";
import { adapterConfigName, adapterWeightsName } from "../../../src/backend/models/peft";
import type { TensorData } from "../../../src/backend/representations/representation";
import { loraSchema } from "../../../src/schema/lora";
import { testDevice } from "../../support/device";
import { createReferenceTensor } from "../../support/referenceModel";
import { computeRelativeError } from "../../support/sampleValues";
import { createTinyShape as createTinyFamily, drawModelTensors } from "../../support/subject";
import { createTinyShape, createTrainOptions, drawWeights } from "../../support/tinyModels";
import {
  computeLargestRatio,
  encodeTensors,
  openNoiseData,
  openTinyData,
  trainTiny,
} from "../../support/tinyRun";

interface ReferenceAdapter {
  readonly config: Readonly<Record<string, unknown>>;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly adapter_config: Readonly<Record<string, unknown>>;
  /** The file that PEFT saved, in base64. */
  readonly adapter_model: string;
  readonly trainable: number;
  readonly total: number;
  /** DoRA's magnitudes of a fresh adapter. */
  readonly magnitudes: Readonly<Record<string, number[]>>;
  readonly tokens: number[][];
  /** Of every fifth position and every seventh token. */
  readonly logits: number[];
  readonly merged: { readonly name: string; readonly values: number[] };
  readonly losses: number[];
  readonly norms: number[];
}
const { bound, text, length, train, cases } = JSON.parse(
  readFileSync(new URL("../../fixtures/lora.json", import.meta.url), "utf8"),
) as {
  readonly bound: number;
  readonly text: string;
  readonly length: number;
  readonly train: Readonly<Record<string, unknown>>;
  readonly cases: Readonly<Record<string, ReferenceAdapter>>;
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

const createFolder = () => mkdtempSync(join(tmpdir(), "lathe-test-"));

/** A folder as PEFT writes it. `change` replaces keys of its configuration. */
function writeAdapter(
  { adapter_config, adapter_model }: ReferenceAdapter,
  change: Readonly<Record<string, unknown>> = {},
): string {
  const folder = createFolder();
  writeFileSync(join(folder, adapterConfigName), JSON.stringify({ ...adapter_config, ...change }));
  writeFileSync(join(folder, adapterWeightsName), Buffer.from(adapter_model, "base64"));
  return folder;
}

const drawBase = (shape: ModelShape) =>
  new Map(
    parametersOf(shape).map(({ name, shape: size }) => [
      name,
      { shape: size, data: createReferenceTensor(name, size, bound) },
    ]),
  );

function load(reference: ReferenceAdapter) {
  const base = createShape(reference.config);
  using adapter = openAdapter(writeAdapter(reference), base);
  return { base, shape: adapter.shape, tensors: new Map([...drawBase(base), ...adapter.read()]) };
}

function computeLogits(shape: ModelShape, tensors: ReturnType<typeof load>["tensors"], tokens: number[][]) {
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const [batch, time] = [tokens.length, tokens[0]!.length];
  const logits = forward(shape, (name) => values.get(name)!, {
    tokens: input("tokens", [batch, time], "int32"),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  const found = evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: tokens.flat() })["logits"]!;
  const vocabulary = logits.type.shape[1]!;
  return Array.from(found).filter(
    (_each, i) => (Math.floor(i / vocabulary) % time) % 5 === 0 && (i % vocabulary) % 7 === 0,
  );
}

describe.each(Object.entries(cases))("%s", (_, reference) => {
  it("computes PEFT's logits from the adapter that PEFT saved", () => {
    const { shape, tensors } = load(reference);
    expect(
      computeRelativeError(computeLogits(shape, tensors, reference.tokens), reference.logits),
    ).toBeLessThan(1e-5);
  });

  it("has PEFT's ten losses and gradient norms", async () => {
    const { shape, tensors } = load(reference);
    using data = await openTinyData({
      rows: [{ text }],
      tokenizer: "bytes",
      sequence_len: length,
      val_fraction: 0,
    });
    const options = createTrainOptions({ ...train, per_device_train_batch_size: data.train.sequences });
    const trained = await trainTiny({ engine, shape, data, tensors, options });
    expect(computeLargestRatio(trained.losses, reference.losses)).toBeLessThan(1e-4);
    const norms = trained.metrics["train/grad_norm"]!.map(([, norm]) => norm);
    expect(computeLargestRatio(norms, reference.norms)).toBeLessThan(1e-3);
    const names = parametersOf(shape).flatMap(({ name, trainable }) => (trainable ? [] : [name]));
    for (const name of names) expect(trained.result.tensors.get(name), name).toEqual(tensors.get(name));
  });

  it("plans the same adapters, with PEFT's counts and fresh magnitudes", () => {
    const { base, shape } = load(reference);
    const planned = planAdapters(base, loraSchema.parse(reference.settings));
    expect(planned).toEqual({ during: shape, after: shape });
    const { trainable, stored, bits } = countModel(shape).total;
    expect([trainable, stored, bits]).toEqual([reference.trainable, reference.total, 32 * reference.total]);
    const fresh = createAdapters({ shape, tensors: drawBase(base) }, 1);
    for (const [name, values] of Object.entries(reference.magnitudes))
      expect(computeRelativeError(fresh.get(name)!.data as Float32Array, values)).toBeLessThan(1e-6);
    expect([...fresh.keys()].some((name) => name.endsWith("lora_magnitude_vector"))).toBe(
      reference.settings["use_dora"] === true,
    );
    // A fresh adapter changes nothing.
    const before = computeLogits(base, drawBase(base), reference.tokens);
    const after = computeLogits(shape, fresh, reference.tokens);
    expect(computeRelativeError(after, before)).toBeLessThan(1e-5);
  });

  it("merges to PEFT's weights, and to the same logits", () => {
    const { base, shape, tensors } = load(reference);
    const merged = mergeAdapters({ shape, tensors }, base);
    const { name, values } = reference.merged;
    expect(computeRelativeError(merged.get(name)!.data, values)).toBeLessThan(1e-6);
    expect(
      computeRelativeError(computeLogits(base, merged, reference.tokens), reference.logits),
    ).toBeLessThan(1e-5);
    const source = (each: string) => tensors.get(each)!.data as TensorData;
    for (const each of exportTensors(shape, source))
      expect(each.data, each.name).toEqual(merged.get(each.name)!.data);
  });

  it("is exported as the files that PEFT saved", async () => {
    const { shape, tensors } = load(reference);
    const folder = join(createFolder(), "out");
    await exportModel({ shape, tensors }, { format: "peft" }, folder);
    const saved = readSafetensors(join(writeAdapter(reference), adapterWeightsName)).tensors;
    const exported = readSafetensors(join(folder, adapterWeightsName)).tensors;
    expect(encodeTensors(new Map([...exported].sort()))).toEqual(encodeTensors(new Map([...saved].sort())));
    const config = JSON.parse(readFileSync(join(folder, adapterConfigName), "utf8")) as Record<
      string,
      unknown
    >;
    const { target_modules: modules, base_model_name_or_path: _name, ...others } = config;
    expect(reference.adapter_config).toMatchObject(others);
    expect(modules).toEqual(
      [...saved.keys()]
        .filter((name) => name.endsWith("lora_A.weight"))
        .map((name) => name.slice("base_model.model.".length, -".lora_A.weight".length))
        .sort(),
    );
  });
});

describe("an adapter that does not fit", () => {
  const { lora, rslora } = cases as { lora: ReferenceAdapter; rslora: ReferenceAdapter };
  const open = (folder: string, config: ReferenceAdapter["config"] = lora.config) =>
    openAdapter(folder, createShape(config));

  it.each([
    [
      "unknown modules",
      () => open(writeAdapter(rslora)),
      /transformer\.h\.0.*belong to no module of this llama model/,
    ],
    [
      "other sizes",
      () => open(writeAdapter(lora), { ...lora.config, hidden_size: 32 }),
      /does not fit the model: .*lora_A\.weight is \[3, 16\] where the model has \[3, 32\]/,
    ],
    ["another rank", () => open(writeAdapter(lora, { r: 4 })), /lora_A\.weight is \[3, 16\] .* \[4, 16\]/],
    [
      "missing magnitudes",
      () => open(writeAdapter(lora, { use_dora: true })),
      /lora_magnitude_vector is missing/,
    ],
    ["another kind", () => open(writeAdapter(lora, { peft_type: "IA3" })), /peft_type is "IA3"/],
    ["biases", () => open(writeAdapter(lora, { bias: "all" })), /bias is "all"/],
    [
      "patterns",
      () => open(writeAdapter(lora, { rank_pattern: { q_proj: 2 } })),
      /rank_pattern is {"q_proj":2}/,
    ],
    ["a changed base", () => open(writeAdapter(lora, { init_lora_weights: "pissa" })), /init_lora_weights/],
    ["a missing file", () => open(createFolder()), /no adapter_config\.json/],
    [
      "a truncated file",
      () => {
        const folder = writeAdapter(lora);
        const path = join(folder, adapterWeightsName);
        writeFileSync(path, readFileSync(path).subarray(0, 900));
        return open(folder);
      },
      /adapter_model\.safetensors/,
    ],
  ])("is refused for %s", (_, opened, message) => expect(opened).toThrow(message));
});

const quantize = (shape: ModelShape) =>
  withRepresentations(
    shape,
    Object.fromEntries(
      ["layers.0.self_attn.q_proj", "layers.0.mlp.down_proj", "layers.1.mlp.up_proj"].map((role) => [
        role,
        { type: "quantised", options: { bits: 4, group_size: 8 } },
      ]),
    ),
  );

describe("quantized weights", () => {
  it("stay as they are while their adapters train, also across a stop, with dropped inputs", async () => {
    using data = await openNoiseData(900);
    const base = quantize(createTinyShape("llama"));
    const { during: shape } = planAdapters(
      base,
      loraSchema.parse({ r: 2, lora_dropout: 0.3, use_dora: true }),
    );
    const weights = new Map(drawWeights(base));
    for (const [name, { shape: size, data: codes }] of weights)
      if (codes instanceof Int8Array)
        weights.set(name, { shape: size, data: codes.map((_, i) => ((i * 7) % 15) - 7) });
      else if (name.endsWith("weight_scales"))
        weights.set(name, { shape: size, data: (codes as Float32Array).map(() => 0.01) });
    const tensors = createAdapters({ shape, tensors: weights }, 3);
    const options = createTrainOptions({
      max_steps: 12,
      learning_rate: 0.02,
      per_device_train_batch_size: 4,
    });
    const request = { engine, shape, data, options };
    const whole = await trainTiny({ ...request, tensors });
    expect(whole.losses.at(-1)).toBeLessThan(whole.losses[0]!);
    for (const { name, trainable } of parametersOf(shape)) {
      const isSame = JSON.stringify(whole.result.tensors.get(name)) === JSON.stringify(tensors.get(name));
      expect(isSame, name).toBe(!trainable);
    }
    const slots = [...whole.saves.at(-1)!.training.optimizer.keys()];
    expect(slots.every((name) => name.includes("lora_"))).toBe(true);

    const stopped = await trainTiny({ ...request, tensors, stopAt: 5 });
    const { tensors: saved, training } = stopped.saves.at(-1)!;
    const resumed = await trainTiny({ ...request, tensors: saved, resume: training });
    expect([...stopped.losses, ...resumed.losses]).toEqual(whole.losses);
    expect(encodeTensors(resumed.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
  });

  it("count their bits and the adapter's", () => {
    const base = quantize(createTinyShape("llama"));
    const { during } = planAdapters(
      base,
      loraSchema.parse({ r: 2, target_modules: ["down_proj"], use_dora: true }),
    );
    // Two layers of 24 inputs and 16 outputs.
    const added = 2 * (2 * (24 + 16) + 16);
    const [before, after] = [base, during].map((shape) => countModel(shape).total) as [
      ReturnType<typeof countModel>["total"],
      ReturnType<typeof countModel>["total"],
    ];
    expect(after.trainable).toBe(added);
    expect(after.stored - before.stored).toBe(added);
    expect(after.bits - before.bits).toBe(32 * added);
  });
});

describe("a model that cannot be trained so", () => {
  const plan = (shape: ModelShape, options: object) => () => planAdapters(shape, loraSchema.parse(options));
  const llama = createTinyShape("llama");
  const masked = withRepresentations(llama, {
    "layers.0.mlp.up_proj": { type: "masked", options: { kept: 100 } },
    "layers.0.self_attn.q_proj": { type: "diagonal", options: {} },
  });
  it.each([
    [
      "merged masks",
      plan(masked, { merge: true }),
      /merge: true needs dense weights, but layers\.0\.\w+\.\w+ is/,
    ],
    [
      "norms that are never built",
      plan(masked, { use_dora: true, targets: "*.q_proj" }),
      /use_dora divides by the norms of layers\.0\.self_attn\.q_proj, which is stored as diagonal/,
    ],
    [
      "a second adapter",
      plan(planAdapters(llama, loraSchema.parse({})).during, {}),
      /the model has adapters already/,
    ],
    [
      "a part of a packed matrix",
      plan(createTinyShape("phi3"), { targets: "*.q_proj" }),
      /q_proj is a part of layers\.0\.self_attn\.qkv_proj, which is one module/,
    ],
    ["an embedding", plan(llama, { targets: "embed_tokens" }), /embed_tokens cannot be stored as adapted/],
    ["dropped inputs of a head", plan(llama, { targets: "lm_head", lora_dropout: 0.1 }), /lora_dropout to 0/],
    [
      "unknown modules",
      plan(llama, { target_modules: ["c_attn"] }),
      /no module of the model matches \["c_attn"\]/,
    ],
    [
      "two selections",
      plan(llama, { target_modules: ["q_proj"], targets: "*" }),
      /both target_modules and targets/,
    ],
    ["a broken pattern", plan(llama, { target_modules: "(" }), /not a valid regular expression/],
  ])("is refused for %s", (_, planned, message) => expect(planned).toThrow(message));
});

it.each(Object.keys(models))("fresh adapters of every projection change nothing of %s", (family) => {
  const base = createTinyFamily(family);
  const { during } = planAdapters(base, loraSchema.parse({ r: 2, use_dora: family !== "kphi3" }));
  const weights = drawModelTensors(base, 2) as ReturnType<typeof drawBase>;
  const adapted = createAdapters({ shape: during, tensors: weights }, 5) as ReturnType<typeof drawBase>;
  const tokens = [[1, 5, 2, 7]];
  const [before, after] = [computeLogits(base, weights, tokens), computeLogits(during, adapted, tokens)];
  expect(computeRelativeError(after, before)).toBeLessThan(1e-5);
  const trained = parametersOf(during).flatMap(({ name, trainable }) => (trainable ? [name] : []));
  expect(trained.every((name) => name.includes(".lora_"))).toBe(true);
  expect(trained.length).toBeGreaterThan(0);
});

it("adapts what structured pruning has left", () => {
  const base = withRepresentations(createTinyShape("llama"), {
    "layers.0.mlp.down_proj": { type: "sliced", options: { inputs: 10 } },
  });
  const { during, after } = planAdapters(
    base,
    loraSchema.parse({ r: 2, target_modules: ["down_proj"], merge: true }),
  );
  expect(during.representations).toMatchObject({
    "layers.0.mlp.down_proj": { type: "sliced" },
    "layers.0.mlp.down_proj.kept": { type: "adapted" },
    "layers.1.mlp.down_proj": { type: "adapted" },
  });
  expect(countModel(during).total.trainable).toBe(2 * (10 + 16) + 2 * (24 + 16));
  const adapted = new Map(drawWeights(during));
  const merged = mergeAdapters({ shape: during, tensors: adapted }, after);
  const source = (tensors: typeof adapted) => (name: string) => tensors.get(name)!.data as TensorData;
  expect([...exportTensors(after, source(merged))]).toEqual([...exportTensors(during, source(adapted))]);
});

it("trains the head over classes with the adapters", () => {
  const shape = createTinyShape("llama", { num_labels: 3 });
  const { during } = planAdapters(shape, loraSchema.parse({ r: 1, target_modules: ["q_proj"] }));
  const trained = parametersOf(during).flatMap(({ name, trainable }) => (trainable ? [name] : []));
  expect(trained.filter((name) => !name.includes("lora_"))).toEqual(["score.weight"]);
  expect(countModel(during).total.trainable).toBe(2 * (16 + 16) + 3 * 16);
  expect(initialize(during, 1).size).toBe(parametersOf(during).length);
});
