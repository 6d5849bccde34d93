/** A window with real runs: the bundled run process trains tiny models, and the bundled command line answers. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ended } from "../runs/workbench";
import { bundle } from "../runs/workbench";
import { Window } from "./window";

/** Call this once before the tests of a file. */
export async function useBundledPrograms(): Promise<void> {
  [process.env.LATHE_COMMAND, process.env.LATHE_RUN_PROCESS] = await Promise.all([
    bundle("src/cli/main.ts", "lathe"),
    bundle("src/backend/runs/process/runProcess.ts", "runProcess"),
  ]);
  process.env.LATHE_THREADS = "1";
}

export const tinyExperiment = `# A tiny one

\`\`\`yaml
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: phi3, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
device: cpu
\`\`\`

\`\`\`yaml
train: {max_steps: 6, per_device_train_batch_size: 2, learning_rate: 1e-2, eval_steps: 3, eval_batches: 2}
\`\`\`

\`\`\`yaml
compress: {magnitude: {sparsity: 0.5}}
train: {max_steps: 2, per_device_train_batch_size: 2}
\`\`\`

\`\`\`yaml
evaluate:
  counts: {}
  perplexity: {stride: 8, max_tokens: 64}
  generate: {prompts: [ab], max_new_tokens: 4}
\`\`\`

\`\`\`yaml
export: {format: safetensors}
report: {}
\`\`\`
`;

export interface RealRun {
  readonly window: Window;
  /** The experiment's file. */
  readonly file: string;
  /** The folder of the ended run. */
  readonly run: string;
}

export async function realRun(text: string = tinyExperiment): Promise<RealRun> {
  const window = new Window();
  process.env.LATHE_CACHE = join(window.workspace, "cache");
  const file = join(window.workspace, "tiny.lathe.md");
  writeFileSync(file, text);
  await window.open();
  const { runs } = await window.ask("runs.start", { experiment: file });
  const run = runs[0]!.folder;
  await ended(run);
  await window.service.runs.refresh(run);
  return { window, file, run };
}
