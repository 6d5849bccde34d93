/** Trainings on PyTorch: the losses of ONNX Runtime, and runs that continue on the other engine. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { createShape, parametersOf } from "../../../src/backend/models/model";
import { createReferenceTensor } from "../../support/referenceModel";
import { createTinyShape, createTrainOptions, tinyNames } from "../../support/tinyModels";
import { computeLargestRatio, openNoiseData, openTinyData, trainTiny } from "../../support/tinyRun";
import { torchSkipReason } from "../../support/torch";

/** Losses of scripts/reference/precision.py. */
interface Precisions {
  readonly bound: number;
  readonly text: string;
  readonly length: number;
  readonly train: Readonly<Record<string, unknown>>;
  readonly families: Readonly<
    Record<string, { config: Readonly<Record<string, unknown>>; float32: number[]; bfloat16: number[] }>
  >;
}
const fixture = new URL("../../fixtures/precision.json", import.meta.url);
const precisions = JSON.parse(readFileSync(fixture, "utf8")) as Precisions;

if (torchSkipReason !== undefined) console.log(`trainings on torch:cpu are skipped: ${torchSkipReason}`);

describe.skipIf(torchSkipReason !== undefined)("a training on torch:cpu", () => {
  let runtime: Engine;
  let torch: Engine;
  let data: DataSet;
  beforeAll(async () => {
    runtime = await openEngine("cpu", { threads: 1 });
    torch = await openEngine("torch:cpu", { threads: 1 });
    data = await openNoiseData(3000);
  });
  afterAll(async () => {
    data[Symbol.dispose]();
    await torch[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
  });

  const dropping = { embd_pdrop: 0.2, resid_pdrop: 0.1 };
  const cases = [
    ...tinyNames.map((name) => [name, {}, {}] as const),
    ["gpt2", { ...dropping, attn_pdrop: 0.1 }, { gradient_accumulation_steps: 2, weight_decay: 0.1 }],
    ["kphi3", dropping, { optim: "sgd", learning_rate: 0.1 }],
    ["phi3", {}, { cumulative_loss: "two-batch" }],
    ["llama", {}, { gradient_checkpointing: true }],
  ] as const;
  const createOptions = (more: Readonly<Record<string, unknown>>) =>
    createTrainOptions({
      max_steps: 30,
      per_device_train_batch_size: 4,
      learning_rate: 0.01,
      lr_scheduler_type: "cosine",
      warmup_steps: 3,
      eval_steps: 10,
      ...more,
    });

  it.each(cases)(
    "of %s with %j, %j has the losses of ONNX Runtime at every step",
    async (name, config, more) => {
      const shape = createTinyShape(name, config);
      const training = { shape, data, options: createOptions(more), validation: data.validation };
      const wanted = await trainTiny({ ...training, engine: runtime });
      const found = await trainTiny({ ...training, engine: torch });
      expect(found.losses).toHaveLength(30);
      expect(computeLargestRatio(found.losses, wanted.losses)).toBeLessThan(1e-4);
      const evaluations = [found, wanted].map(({ metrics }) => metrics["eval/loss"]!.map(([, loss]) => loss));
      expect(computeLargestRatio(evaluations[0]!, evaluations[1]!)).toBeLessThan(1e-4);
      expect(wanted.losses.at(-1)! / wanted.losses[0]!).toBeLessThan(0.95);
    },
  );

  it.each(tinyNames)("of %s in bfloat16 stays near float32 with every option of a step", async (name) => {
    const { model_type: type } = createTinyShape(name).config;
    const shape = createTinyShape(name, type === "gpt2" ? { ...dropping, activation_function: "gelu" } : {});
    const training = { shape, data, engine: torch, validation: data.validation };
    const more = { gradient_accumulation_steps: 2, gradient_checkpointing: true, loss_chunk_size: 8 };
    const exact = await trainTiny({ ...training, options: createOptions(more) });
    const reduced = await trainTiny({
      ...training,
      options: createOptions({ ...more, precision: "bfloat16" }),
    });
    expect(computeLargestRatio(reduced.losses, exact.losses)).toBeGreaterThan(1e-6);
    expect(computeLargestRatio(reduced.losses, exact.losses)).toBeLessThan(2e-2);
  });

  it("continues on the other engine without a step in its losses", async () => {
    const shape = createTinyShape("kphi3", dropping);
    const training = { shape, data, options: createOptions({ save_steps: 5 }) };
    const whole = await trainTiny({ ...training, engine: runtime });
    for (const [first, second] of [
      [runtime, torch],
      [torch, runtime],
    ] as const) {
      const begun = await trainTiny({ ...training, engine: first, stopAt: 12 });
      const { tensors, training: resume } = begun.saves.at(-1)!;
      const resumed = await trainTiny({ ...training, engine: second, tensors, resume });
      const losses = [...begun.losses, ...resumed.losses];
      expect(computeLargestRatio(losses, whole.losses)).toBeLessThan(1e-4);
    }
  });

  it("resumes on torch:cpu with the same bits", async () => {
    const training = {
      shape: createTinyShape("gpt2", dropping),
      data,
      options: createOptions({}),
      engine: torch,
    };
    const whole = await trainTiny(training);
    const begun = await trainTiny({ ...training, stopAt: 9 });
    const { tensors, training: resume } = begun.saves.at(-1)!;
    const resumed = await trainTiny({ ...training, tensors, resume });
    expect([...begun.losses, ...resumed.losses]).toEqual(whole.losses);
  });

  it.each(["gpt2", "llama"])(
    "of %s in bfloat16 differs from float32 as torch.autocast does",
    async (family) => {
      const { config, float32, bfloat16 } = precisions.families[family]!;
      const shape = createShape(config);
      using sequences = await openTinyData({
        rows: [{ text: precisions.text }],
        tokenizer: "bytes",
        sequence_len: precisions.length,
        val_fraction: 0,
      });
      const specs = parametersOf(shape);
      const trainIn = async (precision: string, engine = torch) =>
        trainTiny({
          engine,
          shape,
          data: sequences,
          tensors: new Map(
            specs.map(({ name, shape: size }) => [
              name,
              { shape: size, data: createReferenceTensor(name, size, precisions.bound) },
            ]),
          ),
          options: createTrainOptions({
            ...precisions.train,
            precision,
            per_device_train_batch_size: sequences.train.sequences,
          }),
        });
      const [exact, reduced] = [await trainIn("float32"), await trainIn("bfloat16")];
      expect(computeLargestRatio(exact.losses, float32)).toBeLessThan(1e-4);
      const distance = (a: readonly number[], b: readonly number[]) =>
        Math.max(...a.map((each, i) => Math.abs(each - b[i]!)));
      // Rounding differs from autocast's in order and place, so the curves are equally near float32, not equal.
      expect(distance(reduced.losses, exact.losses)).toBeGreaterThan(1e-5);
      expect(distance(reduced.losses, exact.losses)).toBeLessThan(1.5 * distance(bfloat16, float32));
      for (const { data: weights } of reduced.result.tensors.values())
        expect(weights).toBeInstanceOf(Float32Array);
      await expect(trainIn("bfloat16", runtime)).rejects.toMatchObject({
        code: "unsupported",
        message: expect.stringMatching(
          /train\.precision is bfloat16, but ONNX Runtime.*torch:cuda/,
        ) as string,
      });
    },
  );
});
