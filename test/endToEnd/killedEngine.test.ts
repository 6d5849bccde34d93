/** A run on PyTorch whose child process is killed in the middle of a training is interrupted, and resumes on any engine. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { ended, pastStep } from "../backend/runs/workbench";
import { computeLargestRatio } from "../support/tinyRun";
import { torchSkipReason } from "../support/torch";
import { historyOf, leftoversOf, realWorkspace, recordOf, tensorsOf, useRealLathe } from "./realLathe";

if (torchSkipReason !== undefined) console.log(`runs on torch:cpu are skipped: ${torchSkipReason}`);

const cells = `
data: {grammar: {length: 6000, symbols: 12}, sequence_len: 24, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 24, resid_pdrop: 0.1, embd_pdrop: 0.1, attn_pdrop: 0.1}
train: {max_steps: 200, per_device_train_batch_size: 4, learning_rate: 3e-3, eval_steps: 50, save_steps: 20}
`;

describe.skipIf(torchSkipReason !== undefined || process.platform === "win32")("a run on PyTorch", () => {
  useRealLathe();

  // Four processes load PyTorch one after another, each for ten seconds or more where other tests run beside it.
  const patience = { timeout: 300_000 };
  it(
    "whose child is killed is interrupted with the reason, and resumes on PyTorch and on ONNX Runtime",
    patience,
    async () => {
      const workspace = realWorkspace({ LATHE_PYTHON_PACKAGE: resolve("python") });
      const file = workspace.write("torch.lathe.md", cells);
      const undisturbed = await workspace.run(file, "--fresh", "--device", "torch:cpu");
      const losses = (await historyOf(undisturbed)).map(
        (line) => line["train/loss"] ?? line["eval/loss"] ?? 0,
      );

      for (const device of ["torch:cpu", "cpu"]) {
        const folder = await workspace.begin(file, "--fresh", "--device", "torch:cpu");
        await pastStep(folder, 33);
        process.kill(findChild(recordOf(folder).process!.pid), "SIGKILL");
        const record = await ended(folder);
        expect(record).toMatchObject({
          state: "interrupted",
          failure: {
            code: "process-died",
            message: expect.stringMatching(
              /^The PyTorch process .* was killed by SIGKILL.*Resume the run/,
            ) as string,
          },
        });
        expect(readFileSync(join(folder, "log.txt"), "utf8")).toContain(
          "Interrupted (process-died): The PyTorch",
        );
        expect(await workspace.lathe("resume", folder, "--device", device)).toMatchObject({ status: 0 });
        expect(recordOf(folder)).toMatchObject({ state: "done" });
        expect(recordOf(folder).failure).toBeUndefined();
        const found = (await historyOf(folder)).map((line) => line["train/loss"] ?? line["eval/loss"] ?? 0);
        expect(computeLargestRatio(found, losses)).toBeLessThan(device === "cpu" ? 1e-3 : 1e-12);
        if (device === "torch:cpu")
          for (const [name, bytes] of tensorsOf(undisturbed))
            expect(bytes.equals(tensorsOf(folder).get(name)!), name).toBe(true);
        expect(leftoversOf(folder)).toEqual([]);
      }
    },
  );
});

/** The PyTorch process of a run. */
function findChild(parent: number): number {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n");
  const child = lines.find(
    (line) => line.includes("lathe_torch") && Number(line.trim().split(/\s+/)[1]) === parent,
  );
  return Number(child!.trim().split(/\s+/)[0]);
}
