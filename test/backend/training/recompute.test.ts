/** Recomputation of layers: the same numbers for less memory. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/onnxRuntime";
import { tinyNames, tinyShape, trainOptions } from "../../support/tinyModels";
import { bytesOf, noise, trainTiny } from "../../support/tinyRun";
import { childProgram } from "../../support/childProgram";

describe("recomputation", () => {
  it.each(tinyNames)("gives the losses and weights of %s bit for bit, dropout included", async (name) => {
    await using engine = await openEngine("cpu", { threads: 1 });
    using data = await noise(2000);
    const dropout = name === "llama" ? { attention_dropout: 0.2 } : { resid_pdrop: 0.2, embd_pdrop: 0.1 };
    const shape = tinyShape(name, dropout);
    const run = (options: Readonly<Record<string, unknown>>) =>
      trainTiny({
        engine,
        shape,
        data,
        options: trainOptions({
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
      expect(bytesOf(again.result.tensors)).toEqual(bytesOf(kept.result.tensors));
    }
  });

  it("needs much less memory for a deep model", async () => {
    const program = await childProgram("test/backend/training/memoryProcess.ts");
    const measure = async (recompute: boolean) => {
      const { stdout } = await promisify(execFile)(process.execPath, [program, String(recompute)], {
        timeout: 100_000,
      });
      return JSON.parse(stdout) as { bytes: number; losses: number[] };
    };
    const kept = await measure(false);
    const again = await measure(true);
    const show = ({ bytes }: { bytes: number }) => `${Math.round(bytes / 2 ** 20)} MiB`;
    console.log(`peak memory of the process: ${show(kept)} kept, ${show(again)} recomputed`);
    expect(again.losses).toEqual(kept.losses);
    expect(again.bytes).toBeLessThan(0.7 * kept.bytes);
  }, 200_000);
});
