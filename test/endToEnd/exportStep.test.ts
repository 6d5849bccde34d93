/** The export step of an experiment leaves what it wrote and saved in `export.json` beside the model. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ExportResult } from "../../src/backend/exports/exportModel";
import type { Counts } from "../../src/protocol/counts";
import { realWorkspace, recordOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = `
data: {grammar: {length: 600, symbols: 12}, sequence_len: 8}
model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16}
compress: {magnitude: {sparsity: 0.5}}
export: {format: safetensors}
`;

it("reports sizes and reasons in the step's result and in the log", async () => {
  const workspace = realWorkspace();
  const run = await workspace.run(workspace.write("exported.lathe.md", cells), "--device", "cpu");
  const step = readdirSync(join(run, "steps")).find((name) => name.endsWith("-export"))!;
  const folder = join(run, "steps", step);
  const result = JSON.parse(readFileSync(join(folder, "export.json"), "utf8")) as ExportResult;
  expect(result).toMatchObject({ format: "safetensors", folder: "model" });
  for (const { name, bytes } of result.files) expect(statSync(join(folder, "model", name)).size).toBe(bytes);
  const total = result.files.reduce((sum, { bytes }) => sum + bytes, 0);
  expect(result.sizes.at(-1)).toMatchObject({ kind: "total", after: total });
  expect(result.notices.join("\n")).toMatch(/with a mask \(50.0 % zeros\): .* nothing is saved/);
  expect(readFileSync(join(run, "log.txt"), "utf8")).toMatch(/dense float32 +written/);
});

const adapterData = "data: {grammar: {length: 1200, symbols: 12}, sequence_len: 8}";
const model =
  "model: {model_type: llama, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2}";
const training =
  "max_steps: 6, per_device_train_batch_size: 4, learning_rate: 0.01, lr_scheduler_type: constant";

const stepFolder = (run: string, end: string) =>
  join(
    run,
    "steps",
    readdirSync(join(run, "steps")).find((name) => name.endsWith(end))!,
  );
const perplexityOf = (run: string) => recordOf(run).summary["perplexity/loss"]?.last;

interface Planned {
  readonly steps: readonly { readonly counts: { readonly total: Counts } }[];
}

it(
  "trains adapters on codes with the planned counts, and computes the same from the exported ones",
  { timeout: 60_000 },
  async () => {
    const workspace = realWorkspace();
    const lora = "lora: {r: 2, lora_alpha: 4, use_dora: true, target_modules: [q_proj, down_proj]}";
    const cells = [
      adapterData,
      model,
      "compress: {rtn: {bits: 4}}",
      `train: {${lora}, ${training}}`,
      "evaluate: {perplexity: {}, generate: {prompts: [ab], max_new_tokens: 4}}",
      "export: {format: peft}",
    ].join("\n");
    const file = workspace.write("codes.lathe.md", cells);
    const run = await workspace.run(file, "--device", "cpu");
    const { counts } = recordOf(run);
    const { runs } = await workspace.json<{ runs: readonly Planned[] }>("plan", file);
    const planned = runs[0]!.steps[1]!.counts.total;
    // Both modules have r · (inputs + outputs) + outputs.
    expect(counts!.total.trainable).toBe(2 * (16 + 16) + 16 + 2 * (24 + 16) + 16);
    expect([counts!.total.trainable, counts!.total.stored, counts!.total.bits]).toEqual([
      planned.trainable,
      planned.stored,
      planned.bits,
    ]);

    const base = join(stepFolder(run, "-compress"), "checkpoint");
    const adapter = join(stepFolder(run, "-export"), "model");
    const again = await workspace.run(
      workspace.write(
        "again.lathe.md",
        `${adapterData}\nbase_model: {id: ${base}, adapter: ${adapter}}\nevaluate: {perplexity: {}}\ntrain: {${training}}`,
      ),
      "--device",
      "cpu",
    );
    expect(perplexityOf(again)).toBe(perplexityOf(run));
    expect(recordOf(again).counts!.total.trainable).toBe(planned.trainable);

    const refused = await workspace.lathe(
      "plan",
      workspace.write("refused.lathe.md", `${cells}\n\`\`\`\n\n\`\`\`yaml\ncompress: {magnitude: {}}`),
    );
    expect(refused.status).not.toBe(0);
    expect(refused.errors).toMatch(/compress\.magnitude cannot be applied to a model with adapters/);
    const dense = await workspace.lathe(
      "plan",
      workspace.write("dense.lathe.md", `${adapterData}\n${model}\nexport: {format: peft}`),
    );
    expect(dense.errors).toMatch(/as peft: it has no adapters/);
  },
);
