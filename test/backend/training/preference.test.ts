/** Preference optimization: TRL's figures (scripts/reference/preference.py), closed forms, gradients and identities. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { createAdapters } from "../../../src/backend/compression/adapters";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { PairSplit } from "../../../src/backend/data/pairSplit";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { createShape, type ModelShape, parametersOf } from "../../../src/backend/models/model";
import { createStepTrainee, planTraining } from "../../../src/backend/runs/steps/trainedShapes";
import { noSavings } from "../../../src/backend/training/memorySavings";
import { inverseTextCountName, referenceName } from "../../../src/backend/training/preference";
import { createTrainee } from "../../../src/backend/training/trainee";
import { buildLossAndGradients, inverseCountName } from "../../../src/backend/training/trainStep";
import { testDevice } from "../../support/device";
import { createModelTensor, drawUniform } from "../../support/referenceModel";
import { createTinyShape, createTrainOptions, drawWeights } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors, openTinyData, trainTiny } from "../../support/tinyRun";

interface Case {
  readonly family: string;
  readonly beta: number;
  readonly loss?: string;
  readonly loss_type?: string;
  readonly label_smoothing?: number;
  /** How many of the rows are trained on; all by default. */
  readonly pairs?: number;
  readonly losses: number[];
  readonly norms: number[];
  readonly reported: Readonly<Record<string, number[]>>;
}
const path = new URL("../../fixtures/preference.json", import.meta.url);
const fixture = JSON.parse(readFileSync(path, "utf8")) as {
  readonly bound: number;
  readonly length: number;
  readonly rows: readonly Readonly<Record<string, string>>[];
  readonly train: Readonly<Record<string, unknown>>;
  readonly models: Readonly<Record<string, Record<string, unknown>>>;
  readonly cases: Readonly<Record<string, Case>>;
};

let engine: Engine;
let data: DataSet;
const open = (options: Readonly<Record<string, unknown>> = {}) =>
  openTinyData({
    rows: fixture.rows,
    prompt_column: "prompt",
    chosen_column: "chosen",
    rejected_column: "rejected",
    tokenizer: "bytes",
    sequence_len: fixture.length,
    val_fraction: 0,
    ...options,
  });
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
  data = await open();
});
afterAll(async () => {
  data[Symbol.dispose]();
  await engine[Symbol.asyncDispose]();
});

const readTensors = (shape: ModelShape): HostTensors =>
  new Map(
    parametersOf(shape).map(({ name, shape: size }) => [
      name,
      { shape: size, data: createModelTensor(shape, name, size, fixture.bound) },
    ]),
  );

const llama = createShape(fixture.models["llama"]!);

/** Trains a model on pairs, compared with itself at the start. */
function trainPairs(
  preference: Readonly<Record<string, unknown>>,
  options: Readonly<Record<string, unknown>> = {},
  {
    shape = llama,
    read = data,
    ...more
  }: Partial<Parameters<typeof trainTiny>[0]> & { readonly read?: DataSet } = {},
) {
  const tensors = readTensors(shape);
  const trainOptions = createTrainOptions({
    ...fixture.train,
    per_device_train_batch_size: 6,
    preference,
    ...options,
  });
  return trainTiny({
    engine,
    shape,
    data: read,
    train: new PairSplit(read.train),
    options: trainOptions,
    trainee: createStepTrainee(shape, trainOptions),
    reference: preference["loss"] === "orpo" ? undefined : { trainee: createTrainee(shape), tensors },
    tensors,
    ...more,
  });
}

const pickPreference = ({ loss, loss_type, beta, label_smoothing }: Case) =>
  Object.fromEntries(
    Object.entries({ loss, loss_type, beta, label_smoothing }).filter(([, value]) => value !== undefined),
  );
const valuesOf = (pairs: readonly (readonly [number, number])[] | undefined) =>
  pairs?.map(([, value]) => value);
function expectNear(
  actual: readonly number[] | undefined,
  expected: readonly number[],
  digits: number,
): void {
  expect(actual).toHaveLength(expected.length);
  expected.forEach((each, i) =>
    expect(Math.abs(actual![i]! - each) / Math.max(1, Math.abs(each)), `value ${i}`).toBeLessThan(digits),
  );
}

describe("ten steps on the pairs of the fixture", () => {
  it.each(Object.keys(fixture.cases))("have TRL's losses, gradients and rewards: %s", async (name) => {
    const reference = fixture.cases[name]!;
    const shape = createShape(fixture.models[reference.family]!);
    const rows = reference.pairs === undefined ? fixture.rows : fixture.rows.slice(0, reference.pairs);
    using read = await open({ rows });
    // The prompt of the last row fills a sequence.
    const batch = reference.pairs ?? 6;
    expect(new PairSplit(read.train).sequences).toBe(batch);
    const { losses, metrics } = await trainPairs(
      pickPreference(reference),
      { per_device_train_batch_size: batch },
      { shape, read },
    );
    expectNear(losses, reference.losses, 1e-5);
    expectNear(valuesOf(metrics["train/grad_norm"]), reference.norms, 1e-4);
    for (const [key, values] of Object.entries(reference.reported))
      expectNear(valuesOf(metrics[`train/${key}`]), values, 1e-5);
    // The comparison must be meaningful: learning changes the loss.
    expect(Math.abs(losses.at(-1)! - losses[0]!)).toBeGreaterThan(1e-3);
  });
});

describe("a model that equals its reference", () => {
  it.each([
    [{ beta: 0.3 }, Math.LN2],
    [{ beta: 0.3, label_smoothing: 0.2 }, Math.LN2],
    [{ loss_type: "robust", label_smoothing: 0.2 }, Math.LN2],
    [{ loss_type: "hinge" }, 1],
    [{ loss_type: "ipo", beta: 0.2 }, 1 / (2 * 0.2) ** 2],
  ])("has the loss of even odds, and no reward: %j", async (preference, loss) => {
    const { losses, metrics } = await trainPairs(preference, { max_steps: 1 });
    expect(losses[0]).toBeCloseTo(loss, 5);
    for (const name of ["chosen", "rejected", "margins", "accuracies"])
      expect(metrics[`train/rewards/${name}`]![0]![1]).toBeCloseTo(0, 5);
  });
});

describe("the loss of a preference", () => {
  const size = { rows: 4, length: 6 };
  const shape = createTinyShape("llama", { layers: 1 });
  const tokens = Array.from({ length: 24 }, (_, i) => (7 * i * i + 3 * i + (i > 11 ? 5 : 0)) % 32);
  const ends = [6, 4, 5, 6];
  const segments = tokens.map((_, i) => (i % 6 < ends[Math.floor(i / 6)]! ? 1 : 0));
  const labels = tokens.map((_, i) =>
    i % 6 >= 2 && i % 6 < ends[Math.floor(i / 6)]! ? tokens[(i + 1) % 24]! : -100,
  );
  const parameters = new Map(
    parametersOf(shape).map(({ name, shape: sizes }) => [
      name,
      [
        ...drawUniform(
          name,
          sizes.reduce((product, each) => product * each, 1),
          0.4,
        ),
      ],
    ]),
  );
  const others = {
    tokens,
    labels,
    segments,
    [inverseCountName]: [1 / 2],
    [inverseTextCountName]: [1 / 11],
    [referenceName]: [-9, -11, -10.5, -12],
    recompute_gate: [1],
  };

  it.each([
    { label_smoothing: 0.1 },
    { loss_type: "hinge", beta: 0.4 },
    { loss_type: "ipo", beta: 0.3 },
    { loss_type: "robust", label_smoothing: 0.3 },
    { loss: "orpo", beta: 0.6 },
  ])("has the gradient of central differences: %j", (preference) => {
    const trainee = createStepTrainee(shape, createTrainOptions({ preference }));
    const batch = { ...size, segments: true, positions: false };
    const { loss, specs, gradients } = buildLossAndGradients(trainee, batch, noSavings);
    const outputs = { loss, ...Object.fromEntries(specs.map(({ name }, i) => [`d ${name}`, gradients[i]!])) };
    const found = evaluateGraph({ outputs }, { ...Object.fromEntries(parameters), ...others });
    const lossAt = (name: string, direction: ArrayLike<number>, step: number) => {
      const moved = parameters.get(name)!.map((each, i) => each + step * direction[i]!);
      const feeds = { ...Object.fromEntries(parameters), ...others, [name]: moved };
      return evaluateGraph({ outputs: { loss } }, feeds)["loss"]![0]!;
    };
    const step = 1e-5;
    let largest = 0;
    for (const { name } of specs) {
      const gradient = found[`d ${name}`]!;
      const direction = drawUniform(`${name}#direction`, gradient.length, 1);
      const slope = gradient.reduce((sum, each, i) => sum + each * direction[i]!, 0);
      const measured = (lossAt(name, direction, step) - lossAt(name, direction, -step)) / (2 * step);
      expect(Math.abs(slope - measured) / Math.max(1e-2, Math.abs(measured)), name).toBeLessThan(1e-5);
      largest = Math.max(largest, Math.abs(slope));
    }
    expect(largest).toBeGreaterThan(1e-2);
  });
});

describe("pairs", () => {
  const preference = { beta: 0.5 };
  it.each([
    ["micro-batches", { per_device_train_batch_size: 2, gradient_accumulation_steps: 3 }],
    ["recomputed layers", { gradient_checkpointing: true }],
    ["parts of the logits", { loss_chunk_size: 37 }],
    ["parts of attention", { attention_block_size: 7 }],
  ])("give the same numbers in %s", async (_, options) => {
    for (const each of [preference, { loss: "orpo" }]) {
      const whole = await trainPairs(each);
      const parts = await trainPairs(each, options);
      expectNear(parts.losses, whole.losses, 1e-5);
      for (const name of ["rewards/chosen", "rewards/accuracies", "logps/rejected"])
        expectNear(valuesOf(parts.metrics[`train/${name}`]), valuesOf(whole.metrics[`train/${name}`])!, 1e-5);
    }
  });

  it("give the same numbers whatever the padding", async () => {
    const rows = fixture.rows.filter(({ prompt, chosen }) => prompt!.length + chosen!.length < 24);
    using short = await open({ rows });
    using long = await open({ rows, sequence_len: 32 });
    const options = { per_device_train_batch_size: 5 };
    for (const each of [preference, { loss: "orpo" }]) {
      const [a, b] = [
        await trainPairs(each, options, { read: short }),
        await trainPairs(each, options, { read: long }),
      ];
      expectNear(b.losses, a.losses, 1e-5);
    }
  });

  it("have held-out rewards, the same for each batch size", async () => {
    const validation = new PairSplit(data.train);
    const more = { validation };
    const options = { eval_steps: 5, learning_rate: 0.01 };
    for (const each of [preference, { loss: "orpo" }]) {
      const whole = await trainPairs(each, options, more);
      const parts = await trainPairs(
        each,
        { ...options, per_device_train_batch_size: 4, max_steps: 1 },
        more,
      );
      const at = (result: typeof whole, name: string) => result.metrics[name]![0]!;
      for (const name of [
        "loss",
        "rewards/chosen",
        "rewards/rejected",
        "rewards/margins",
        "rewards/accuracies",
      ]) {
        const [step, value] = at(whole, `eval/${name}`);
        expect(step).toBe(0);
        expect(at(parts, `eval/${name}`)[1]).toBeCloseTo(value, 5);
      }
      // The pairs are those that are trained on, all in each step: step 6 trains at the weights evaluated after step 5.
      const [, later] = whole.metrics["eval/loss"]!.find(([step]) => step === 5)!;
      expect(later).toBeCloseTo(whole.losses[5]!, 4);
      const [, margin] = whole.metrics["eval/rewards/margins"]!.find(([step]) => step === 5)!;
      expect(margin).toBeCloseTo(whole.metrics["train/rewards/margins"]![5]![1], 4);
    }
  });

  it.each([{ beta: 0.2 }, { loss: "orpo" }])(
    "resume as if the training had not stopped: %j",
    async (each) => {
      const options = { per_device_train_batch_size: 2, gradient_accumulation_steps: 2, save_steps: 3 };
      const whole = await trainPairs(each, options);
      const stopped = await trainPairs(each, options, { stopAt: 4 });
      const { tensors, training } = stopped.saves.at(-1)!;
      const folder = join(createTemporaryFolder(), "step");
      writeCheckpoint(folder, { shape: llama, tensors, training });
      const checkpoint = readCheckpoint(folder);
      const rest = await trainPairs(each, options, {
        tensors: checkpoint.tensors,
        resume: checkpoint.training,
      });
      expect([...stopped.losses, ...rest.losses]).toEqual(whole.losses);
      expect(encodeTensors(rest.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
    },
  );

  it("train adapters, compared with the model without them", async () => {
    const options = { lora: { r: 2 }, learning_rate: 0.02, lr_scheduler_type: "constant", warmup_steps: 0 };
    const { during } = planTraining(llama, createTrainOptions(options));
    const tensors = createAdapters({ shape: during, tensors: readTensors(llama) }, 1);
    const trainOptions = createTrainOptions({ preference });
    const { losses, result, metrics } = await trainPairs(preference, options, {
      tensors,
      trainee: createStepTrainee(during, trainOptions),
    });
    expect(losses[0]).toBeCloseTo(Math.LN2, 5);
    expect(losses.at(-1)!).toBeLessThan(Math.LN2 - 0.01);
    expect(metrics["train/rewards/margins"]!.at(-1)![1]).toBeGreaterThan(0);
    for (const { name, trainable } of parametersOf(during))
      if (!trainable) expect(result.tensors.get(name)!.data, name).toEqual(tensors.get(name)!.data);
  });

  it("are learned without dropout, so that they start at the reference", async () => {
    const shape = createShape({
      ...fixture.models["gpt2"]!,
      resid_pdrop: 0.3,
      embd_pdrop: 0.3,
      attn_pdrop: 0.3,
    });
    const { losses } = await trainPairs(preference, { max_steps: 1 }, { shape });
    expect(losses[0]).toBeCloseTo(Math.LN2, 5);
  });

  it("compare with another model where it is the reference", async () => {
    const reference = { trainee: createTrainee(llama), tensors: drawWeights(llama, 5) };
    const { losses, metrics } = await trainPairs({ beta: 0.1 }, { max_steps: 1 }, { reference });
    const margin = metrics["train/rewards/margins"]![0]![1];
    expect(Math.abs(margin)).toBeGreaterThan(1e-3);
    expect(losses[0]).not.toBeCloseTo(Math.LN2, 4);
  });
});
