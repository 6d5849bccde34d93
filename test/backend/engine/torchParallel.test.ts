/** Several processes train as one does, and end together. Needs PyTorch. */
import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { parallelSchema } from "../../../src/schema/parallel";
import { createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { computeLargestDifference } from "../../support/sameWeights";
import { openNoiseData, trainTiny } from "../../support/tinyRun";
import { torchSkipReason } from "../../support/torch";

if (torchSkipReason !== undefined) console.log(`several processes are skipped: ${torchSkipReason}`);

const open = async (parallel?: object) =>
  openEngine("torch:cpu", { threads: 1, parallel: parallel && parallelSchema.parse(parallel) });

describe.skipIf(torchSkipReason !== undefined)("several processes", () => {
  let data: DataSet;
  beforeAll(async () => {
    data = await openNoiseData(3000);
  });
  afterAll(() => data[Symbol.dispose]());

  /** Dropout, tied embeddings, biases, clipping, evaluations, and logits in chunks. */
  const train = async (engine: Engine, options: object = {}) =>
    trainTiny({
      engine,
      shape: createTinyShape("gpt2", { resid_pdrop: 0.1, layers: 1 }),
      data,
      validation: data.validation,
      options: createTrainOptions({
        max_steps: 20,
        per_device_train_batch_size: 8,
        learning_rate: 0.002,
        weight_decay: 0.1,
        eval_steps: 10,
        eval_tokens: 512,
        loss_chunk_size: 48,
        ...options,
      }),
    });

  it("end with the weights, moments and losses of one, and are then ended by one that is killed", async () => {
    await using one = await open();
    const alone = await train(one);
    await using engine = await open({ processes: 2, sharding: "full" });
    const together = await train(engine);
    expect(computeLargestDifference(together, alone)).toBeLessThan(1e-5);
    for (const [i, [step, loss]] of alone.metrics["eval/loss"]!.entries())
      expect(together.metrics["eval/loss"]![i]).toEqual([step, expect.closeTo(loss, 5)]);

    const { pid } = (engine as unknown as { process: { pid: number } }).process;
    const children = () =>
      execFileSync("ps", ["-o", "pid=", "--ppid", String(pid)], { encoding: "utf8" }).split("\n");
    const workers = children()
      .map(Number)
      .filter((each) => each > 0);
    const training = train(engine, { max_steps: 100_000 });
    const killed = expect(training).rejects.toMatchObject({
      code: "process-died",
      message: expect.stringMatching(
        /^Of the 2 PyTorch processes \(.*\), process \d was killed by signal 9 while it ran a graph\. Resume the run/,
      ) as string,
    });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    process.kill(workers.at(-1)!, "SIGKILL");
    await killed;
    for (const worker of workers) expect(() => process.kill(worker, 0)).toThrow("ESRCH");
  });
});
