/** Pre-training, fine-tuning, compression and a preference as stages of one file, with the real program. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ended, pastStep } from "../backend/runs/workbench";
import {
  historyOf,
  killProcess,
  realWorkspace,
  recordOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "./realLathe";

useRealLathe();

const columns = "prompt_column: prompt, chosen_column: chosen, rejected_column: rejected";
const start = `
data: {text: text.txt, tokenizer: bytes, sequence_len: 24, val_fraction: 0.1}
model: {model_type: llama, hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 24}
train: {max_steps: 10, per_device_train_batch_size: 4, learning_rate: 3e-3}
`;
const tuning = `
train:
  data: {text: questions.jsonl, instruction_column: ask, response_column: answer, template: "{instruction}={response}", train_on_inputs: false, packing: false}
  max_steps: 10
  per_device_train_batch_size: 4
  learning_rate: 3e-3
`;
const preferring = `
train:
  data: {text: pairs.jsonl, ${columns}, val_fraction: 0.2}
  preference: {beta: 0.3}
  max_steps: 30
  per_device_train_batch_size: 4
  gradient_accumulation_steps: 2
  learning_rate: 3e-3
  eval_steps: 10
  save_steps: 4
`;
const pruning = "\ncompress: {magnitude: {sparsity: 0.3}}\n";
const adapting = preferring
  .replace("max_steps: 30", "max_steps: 12")
  .replace("{beta: 0.3}", "{beta: 0.3, reference: original}\n  lora: {r: 2}");
const last =
  "\nevaluate: {perplexity: {}, generate: {prompts: ['3='], max_new_tokens: 4, do_sample: false}}\n";

let workspace: Workspace;
let file: string;
beforeAll(() => {
  workspace = realWorkspace();
  const write = (name: string, text: string) => writeFileSync(join(workspace.path, name), text);
  const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
  const numbers = Array.from({ length: 40 }, (_, i) => i);
  write(
    "text.txt",
    numbers
      .map((i) => `${i}=${"ab".repeat(1 + (i % 3))}`)
      .join("\n")
      .repeat(10),
  );
  write(
    "questions.jsonl",
    lines(numbers.map((i) => ({ ask: String(i), answer: i % 2 === 0 ? "aba" : "bab" }))),
  );
  write(
    "pairs.jsonl",
    lines(numbers.map((i) => ({ prompt: `${i}=`, chosen: "aa", rejected: "b".repeat(1 + (i % 4)) }))),
  );
  const cells = [start, tuning, preferring, pruning, adapting, last];
  file = workspace.write("stages.lathe.md", cells.join("```\n\n```yaml"));
});

describe("stages up to a preference", { timeout: 180_000 }, () => {
  it("learn it, before and after compression, and give the same bytes and curve if killed in between", async () => {
    const folder = await workspace.run(file, "--device", "cpu");
    const { summary } = recordOf(folder);
    for (const name of ["chosen", "rejected", "margins", "accuracies"])
      for (const split of ["train", "eval"]) expect(summary[`${split}/rewards/${name}`]).toBeDefined();
    expect(summary["eval/rewards/margins"]!.max).toBeGreaterThan(0.5);
    expect(summary["eval/rewards/accuracies"]!.max).toBe(1);
    const history = await historyOf(folder);
    // The first step of the preference: the model is its own reference.
    expect(history.find(({ step }) => step === 21)!["train/loss"]).toBeCloseTo(Math.LN2, 5);
    // After compression, the reference is the model before it.
    expect(history.find(({ step }) => step === 51)!["train/rewards/margins"]).not.toBeCloseTo(0, 5);
    expect(readFileSync(join(folder, "log.txt"), "utf8")).toContain(": the adapters. All other");
    expect(readFileSync(join(folder, "log.txt"), "utf8")).toContain(
      "Data: 32 preference pairs to train on, 8 held back for validation.",
    );
    const { output } = await workspace.lathe("plan", file);
    expect(output.replaceAll(/\s+/g, " ")).toMatch(/, compared with start \(.* parameters\)/);

    const again = await workspace.begin(file, "--fresh", "--device", "cpu");
    await pastStep(again, 27);
    killProcess(again);
    expect((await ended(again)).state).toBe("interrupted");
    expect(await workspace.lathe("resume", again)).toMatchObject({ status: 0 });
    const tensors = tensorsOf(folder);
    for (const [name, bytes] of tensorsOf(again)) expect(bytes.equals(tensors.get(name)!), name).toBe(true);
    const curve = (lines: Awaited<ReturnType<typeof historyOf>>) =>
      lines.map(({ step, ...line }) => [
        step,
        line["train/loss"],
        line["eval/loss"],
        line["train/rewards/margins"],
      ]);
    expect(curve(await historyOf(again))).toEqual(curve(history));
  });
});
