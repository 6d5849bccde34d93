/** Training on a GPU gives the same as on the CPU: the loss of every step, and the result. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { readCheckpoint, writeCheckpoint } from "../../../src/backend/checkpoints/checkpoint";
import { join } from "node:path";
import { computeRelativeError } from "../../support/sampleValues";
import { type TinyName, createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { createTemporaryFolder } from "../../support/temporary";
import {
  encodeTensors,
  computeLargestRatio,
  openNoiseData,
  openTinyData,
  trainTiny,
} from "../../support/tinyRun";
import { webgpuSkipReason } from "../../support/webgpu";

describe.skipIf(webgpuSkipReason !== undefined)("on webgpu", () => {
  let webgpu: Engine;
  let cpu: Engine;
  let data: DataSet;
  beforeAll(async () => {
    [webgpu, cpu] = [await openEngine("webgpu"), await openEngine("cpu", { threads: 1 })];
    data = await openNoiseData(4000);
  }, 100_000);
  afterAll(async () => {
    data[Symbol.dispose]();
    await webgpu[Symbol.asyncDispose]();
    await cpu[Symbol.asyncDispose]();
  });

  async function expectEqual(
    name: TinyName,
    config: Readonly<Record<string, unknown>>,
    options: Readonly<Record<string, unknown>>,
    on: DataSet = data,
  ) {
    const shape = createTinyShape(name, { layers: 1, ...config });
    const given = {
      shape,
      data: on,
      validation: on.validation,
      options: createTrainOptions({
        max_steps: 8,
        eval_tokens: 256,
        per_device_train_batch_size: 2,
        learning_rate: 0.01,
        lr_scheduler_type: "cosine",
        warmup_steps: 2,
        ...options,
      }),
    };
    const [got, wanted] = [
      await trainTiny({ ...given, engine: webgpu }),
      await trainTiny({ ...given, engine: cpu }),
    ];
    expect(got.losses).toHaveLength(given.options.max_steps!);
    expect(computeLargestRatio(got.losses, wanted.losses)).toBeLessThan(1e-3);
    const evaluations = ({ metrics }: typeof got) => metrics["eval/loss"]!.map(([, loss]) => loss);
    expect(computeLargestRatio(evaluations(got), evaluations(wanted))).toBeLessThan(1e-3);
    return { got, wanted, given };
  }

  it.each(["phi3", "kphi3", "gpt2"] as const)("20 steps of %s give the CPU's losses", async (name) => {
    const { got, wanted } = await expectEqual(name, { layers: 2 }, { max_steps: 20, weight_decay: 0.1 });
    expect(got.losses.at(-1)).toBeLessThan(got.losses[0]! - 0.1);
    for (const [tensor, { data: numbers }] of wanted.result.tensors)
      expect(computeRelativeError(got.result.tensors.get(tensor)!.data, numbers), tensor).toBeLessThan(0.05);
  });

  it("with gradient accumulation", () =>
    expectEqual("kphi3", {}, { gradient_accumulation_steps: 2 }).then(() => undefined));

  it("with recomputed layers, and dropout with the same masks as on the CPU", async () => {
    const dropout = { resid_pdrop: 0.2, embd_pdrop: 0.2, attention_dropout: 0.2 };
    await expectEqual("phi3", { layers: 2, ...dropout }, { gradient_checkpointing: true });
  });

  it("with attention in blocks and logits in chunks", async () => {
    await expectEqual("phi3", {}, { max_steps: 2, attention_block_size: 8, loss_chunk_size: 16 });
  }, 300_000);

  it("with SGD and momentum", () =>
    expectEqual("gpt2", {}, { optim: "sgd", learning_rate: 0.3 }).then(() => undefined));

  it("with padded rows, and with masked documents", async () => {
    const rows = Array.from({ length: 60 }, (_, i) => ({
      text: "to be or not to be, that is".slice(i % 7, 10 + (i % 17)),
    }));
    for (const layout of [{ packing: false }, { document_mask: true }]) {
      using laid = await openTinyData({ rows, sequence_len: 16, val_fraction: 0.2, ...layout });
      await expectEqual("phi3", {}, { max_steps: 5 }, laid);
    }
  });

  it("resumes from a checkpoint, with its state", async () => {
    const shape = createTinyShape("kphi3", { layers: 1, resid_pdrop: 0.1 });
    const options = createTrainOptions({ max_steps: 6, learning_rate: 0.01, per_device_train_batch_size: 2 });
    const given = { engine: webgpu, shape, data, options };
    const whole = await trainTiny(given);
    const { tensors, training } = (await trainTiny({ ...given, stopAt: 3 })).saves.at(-1)!;
    const folder = join(createTemporaryFolder(), "step");
    writeCheckpoint(folder, { shape, tensors, training });
    const checkpoint = readCheckpoint(folder);
    const rest = await trainTiny({ ...given, tensors: checkpoint.tensors, resume: checkpoint.training });
    expect(computeLargestRatio(rest.losses, whole.losses.slice(3))).toBeLessThan(1e-5);
    expect(Object.keys(encodeTensors(rest.result.tensors))).toEqual(
      Object.keys(encodeTensors(whole.result.tensors)),
    );
  });
});

if (webgpuSkipReason !== undefined)
  it("on webgpu", ({ skip }) => {
    console.log(`training on webgpu is skipped: ${webgpuSkipReason}`);
    skip(webgpuSkipReason);
  });
