/** The standard model of `lathe bench` on both engines, and what PyTorch's compiler makes of a training. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { standardGpt } from "../../src/backend/bench/trainingSpeed";
import type { Engine } from "../../src/backend/engine/engine";
import { openEngine } from "../../src/backend/engine/open";
import { createShape, type ModelShape } from "../../src/backend/models/model";
import { createTinyShape, createTrainOptions } from "../support/tinyModels";
import { computeLargestRatio, openTinyData, trainTiny } from "../support/tinyRun";
import { torchSkipReason } from "../support/torch";

if (torchSkipReason !== undefined) console.log(`long trainings on torch:cpu are skipped: ${torchSkipReason}`);

describe.skipIf(torchSkipReason !== undefined)("a training on torch:cpu", () => {
  let runtime: Engine;
  let torch: Engine;
  const reports: string[] = [];
  beforeAll(async () => {
    runtime = await openEngine("cpu");
    torch = await openEngine("torch:cpu", { report: (message) => reports.push(message) });
  });
  afterAll(async () => {
    await torch[Symbol.asyncDispose]();
    await runtime[Symbol.asyncDispose]();
  });

  async function measureLosses(
    engine: Engine,
    shape: ModelShape,
    length: number,
    options: Readonly<Record<string, unknown>>,
  ): Promise<readonly number[]> {
    using data = await openTinyData({
      grammar: { length: 120_000, symbols: 65, branching: 6 },
      sequence_len: length,
      val_fraction: 0.1,
    });
    const { losses } = await trainTiny({ engine, shape, data, options: createTrainOptions(options) });
    return losses;
  }

  it("of the standard model has the losses of ONNX Runtime at each of 50 steps", async () => {
    const options = { max_steps: 50, learning_rate: 1e-3, weight_decay: 0.1, warmup_steps: 5 };
    const shape = createShape(standardGpt);
    const wanted = await measureLosses(runtime, shape, 256, options);
    const found = await measureLosses(torch, shape, 256, options);
    expect(found).toHaveLength(50);
    const ratio = computeLargestRatio(found, wanted);
    console.log(`largest relative difference of 50 losses: ${ratio.toExponential(1)}`);
    expect(ratio).toBeLessThan(1e-4);
    expect(wanted.at(-1)! / wanted[0]!).toBeLessThan(0.9);
  });

  it("with torch_compile has the same losses, and reports that it compiles", async () => {
    const options = { max_steps: 20, learning_rate: 0.01, per_device_train_batch_size: 4 };
    const dropping = { resid_pdrop: 0.1, embd_pdrop: 0.1, attn_pdrop: 0.1 };
    const shape = createTinyShape("gpt2", { layers: 1, vocab_size: 65, ...dropping });
    const wanted = await measureLosses(torch, shape, 16, options);
    expect(reports).toEqual([]);
    const found = await measureLosses(torch, shape, 16, { ...options, torch_compile: true });
    expect(computeLargestRatio(found, wanted)).toBeLessThan(1e-4);
    expect(reports).toEqual([
      "PyTorch compiles the training step for torch:cpu, which may take minutes.",
      expect.stringMatching(/^Compiled the training step in \d+ seconds\.$/) as string,
    ]);
  });
});
