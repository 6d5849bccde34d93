/** Trainings on PyTorch: the losses of ONNX Runtime, and runs that continue on the other engine. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeviceName } from "../../../src/schema/experiment";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { createTinyShape, createTrainOptions, tinyNames } from "../../support/tinyModels";
import { computeLargestRatio, openNoiseData, trainTiny } from "../../support/tinyRun";
import { torchSkipReason } from "../../support/torch";

if (torchSkipReason !== undefined) console.log(`trainings on torch:cpu are skipped: ${torchSkipReason}`);

describe.skipIf(torchSkipReason !== undefined)("a training on torch:cpu", () => {
  let runtime: Engine;
  let torch: Engine;
  let data: DataSet;
  beforeAll(async () => {
    runtime = await openEngine("cpu", { threads: 1 });
    torch = await openEngine("torch:cpu" as DeviceName, { threads: 1 });
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
});
