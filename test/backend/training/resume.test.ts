/** A resumed training equals the uninterrupted one, bit for bit. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { openEngine } from "../../../src/backend/engine/open";
import { testDevice } from "../../support/device";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import { encodeTensors, openNoiseData, trainTiny } from "../../support/tinyRun";

let data: DataSet;
beforeAll(async () => {
  data = await openNoiseData(900);
});
afterAll(() => data[Symbol.dispose]());

const dropping = { embd_pdrop: 0.2, resid_pdrop: 0.1 };
const cases = [
  ["gpt2", 2, { ...dropping, attn_pdrop: 0.1 }, { gradient_accumulation_steps: 2 }],
  ["kphi3", 1, dropping, { gradient_accumulation_steps: 3, optim: "sgd", learning_rate: 0.1 }],
  ["phi3", 1, {}, { cumulative_loss: "two-batch", per_device_train_batch_size: 4 }],
  ["gpt2", 1, dropping, { cumulative_loss: "two-batch", block_rows: 8, gradient_accumulation_steps: 2 }],
  ["kphi3", 1, {}, { cumulative_loss: "ema-grad", cumulative_decay: 0.7, per_device_train_batch_size: 4 }],
  ["phi3", 1, {}, { cumulative_loss: "literal", per_device_train_batch_size: 4 }],
  ["llama", 1, {}, { per_device_train_batch_size: 4, gradient_checkpointing: true, weight_decay: 0.1 }],
] as const;

describe.each(cases)("%s on %i threads, %j, %j", (name, threads, config, more) => {
  const shape = createTinyShape(name, config);
  const options = createTrainOptions({
    max_steps: 14,
    per_device_train_batch_size: 2,
    learning_rate: 0.01,
    lr_scheduler_type: "cosine",
    warmup_steps: 3,
    eval_steps: 4,
    save_steps: 5,
    ...more,
  });

  it("gives the same weights, optimizer and losses across two stops and the end of an epoch", async () => {
    await using engine = await openEngine(testDevice, { threads });
    const given = { engine, shape, data, options, validation: data.validation };
    const whole = await trainTiny(given);
    // Blocks have no epochs.
    if (!("block_rows" in more))
      expect(whole.saves.at(-1)!.training.state.sampler).toMatchObject({
        epoch: expect.toSatisfy((at) => at > 0) as number,
      });

    const folder = join(createTemporaryFolder(), "step");
    let losses: number[] = [];
    let last = await trainTiny({ ...given, stopAt: 4 });
    for (const stopAt of [9, undefined]) {
      losses = [...losses, ...last.losses];
      expect(last.result.outcome).toBe("stopped");
      const { tensors, training } = last.saves.at(-1)!;
      writeCheckpoint(folder, { shape, tensors, training });
      const checkpoint = readCheckpoint(folder);
      const resumed = { tensors: checkpoint.tensors, resume: checkpoint.training };
      last = await trainTiny({ ...given, ...resumed, ...(stopAt === undefined ? {} : { stopAt }) });
    }
    losses = [...losses, ...last.losses];

    expect(losses).toEqual(whole.losses);
    expect(encodeTensors(last.result.tensors)).toEqual(encodeTensors(whole.result.tensors));
    const [got, wanted] = [last.saves.at(-1)!.training, whole.saves.at(-1)!.training];
    expect(encodeTensors(got.optimizer)).toEqual(encodeTensors(wanted.optimizer));
    expect(got.state.seconds).toBeGreaterThan(0);
    expect({ ...got.state, seconds: 0 }).toEqual({ ...wanted.state, seconds: 0 });
  });
});
