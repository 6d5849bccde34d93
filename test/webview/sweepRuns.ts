/** Thirty-two runs of a sweep: the rate matters along a valley, the optimizer a little, the width not at all. */
import { makeRuns } from "./runFolders";

export const rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2];
export const optimizers = ["adamw", "sgd"];

function lossOf(i: number): number {
  const [rate, optimizer] = [rates[i % 5]!, Math.floor(i / 5) % 2];
  return 2 + 0.3 * (Math.log10(rate) + 3) ** 2 + 0.1 * optimizer + 0.004 * (i % 3);
}

const protocol = (data: string) => ({
  "eval/loss": {
    data,
    split: "validation",
    hash: data.padEnd(64, "0"),
    tokens: 4096,
    method: "sequences of 64",
  },
});

/** Run 30 was not evaluated, and run 31 was evaluated on other text. */
export function makeSweepRuns(workspace: string): string[] {
  return makeRuns(workspace, 32, (i) => {
    const loss = lossOf(i);
    const sweep = {
      "train.learning_rate": rates[i % 5]!,
      "train.optimizer": optimizers[Math.floor(i / 5) % 2]!,
    };
    const plan = {
      experiment: "sweep.lathe.md",
      name: `sweep-${i}`,
      folder: ".",
      variant: "",
      sweep,
      seed: Math.floor(i / 10),
      device: "cpu",
      data: { sequence_len: 64 },
      model: { model_type: "phi3", hidden_size: [64, 128, 256][i % 3]! },
      baseModel: undefined,
      steps: [{ index: 0, action: "train" as const, options: { max_steps: 10 }, key: "0" }],
    };
    return {
      record: {
        plan,
        name: `sweep-${i}`,
        id: `sweep-${i}-20261120-0930${String(i).padStart(2, "0")}-00ff`,
        state: "done",
        // Run 30 was not evaluated, and run 31 was evaluated on other text.
        summary: {
          "train/loss": { last: loss - 0.1, min: loss - 0.1, max: 6 },
          ...(i === 30 ? {} : { "eval/loss": { last: loss, min: loss, max: 6 } }),
        },
        ...(i === 30 ? {} : { losses: protocol(i === 31 ? "other" : "text") }),
      },
      notes: { name: `run ${i}` },
    };
  });
}
