/** Recomputation of layers: the same numbers with less memory. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/open";
import { tinyNames, createTinyShape, createTrainOptions } from "../../support/tinyModels";
import { encodeTensors, computeLargestRatio, openNoiseData, trainTiny } from "../../support/tinyRun";
import { writeChildProgram } from "../../support/childProgram";

describe("recomputation", () => {
  it.each(tinyNames)("gives the losses and weights of %s bit for bit, including dropout", async (name) => {
    await using engine = await openEngine("cpu", { threads: 1 });
    using data = await openNoiseData(2000);
    const dropout = name === "llama" ? { attention_dropout: 0.2 } : { resid_pdrop: 0.2, embd_pdrop: 0.1 };
    const shape = createTinyShape(name, dropout);
    const run = (options: Readonly<Record<string, unknown>>) =>
      trainTiny({
        engine,
        shape,
        data,
        options: createTrainOptions({
          max_steps: 6,
          learning_rate: 0.01,
          per_device_train_batch_size: 4,
          ...options,
        }),
      });
    for (const gradient_accumulation_steps of [1, 2]) {
      const kept = await run({ gradient_accumulation_steps });
      const again = await run({ gradient_accumulation_steps, gradient_checkpointing: true });
      expect(again.losses).toEqual(kept.losses);
      expect(encodeTensors(again.result.tensors)).toEqual(encodeTensors(kept.result.tensors));
    }
  });

  it("needs much less memory for a deep model", async () => {
    const measure = await measurement(256, 8);
    const kept = await measure({ gradient_checkpointing: false });
    const again = await measure({ gradient_checkpointing: true });
    console.log(`peak memory of the process: ${show(kept)} kept, ${show(again)} recomputed`);
    expect(again.losses).toEqual(kept.losses);
    expect(again.bytes).toBeLessThan(0.6 * kept.bytes);
  }, 400_000);

  it("of blocks of attention needs much less memory for a long sequence", async () => {
    const measure = await measurement(2048, 1);
    const whole = await measure({ gradient_checkpointing: true, attention_block_size: false });
    const blocks = await measure({ gradient_checkpointing: true, attention_block_size: 256 });
    console.log(`peak memory of the process: ${show(whole)} whole, ${show(blocks)} in blocks`);
    expect(computeLargestRatio(blocks.losses, whole.losses)).toBeLessThan(1e-5);
    expect(blocks.bytes).toBeLessThan(0.75 * whole.bytes);
  }, 400_000);
});

interface Measured {
  readonly bytes: number;
  readonly losses: readonly number[];
}

/** Takes a step of a deep model in a separate process, with the given options. */
async function measurement(length: number, rows: number) {
  const program = await writeChildProgram("test/backend/training/memoryProcess.ts");
  return async (options: Readonly<Record<string, unknown>>): Promise<Measured> => {
    const given = [program, String(length), String(rows), JSON.stringify(options)];
    const { stdout } = await promisify(execFile)(process.execPath, given, { timeout: 200_000 });
    return JSON.parse(stdout) as Measured;
  };
}

const show = ({ bytes }: Measured) => `${Math.round(bytes / 2 ** 20)} MiB`;
