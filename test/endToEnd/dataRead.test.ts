/** Results name the data that was read, even if it differs from the experiment's. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { realWorkspace, recordOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = `
paper:
  title: A tiny paper
  published: [{variant: plain, quantity: eval/loss, value: 5, tolerance: 1}]
data: {text: missing/*.txt, fallback: grammar, grammar: {length: 4000}, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 16, n_layer: 1, n_head: 2, n_positions: 16}
train: {max_steps: 2, per_device_train_batch_size: 2}
variants: {plain: {}}
compress: {wanda: {sparsity: 0.5}}
evaluate: {perplexity: {}}
report: {}
`;

it("of a run that fell back to the grammar", { timeout: 120_000 }, async () => {
  const workspace = realWorkspace();
  const file = workspace.write("fallback.lathe.md", cells);
  const folder = await workspace.run(file, "--device", "cpu");
  expect(recordOf(folder).dataTitle).toBe("grammar");
  const { output: shown } = await workspace.lathe("show", folder);
  expect(shown).toMatch(/^data +grammar$/m);
  expect(shown).toMatch(/^grammar, validation split/m);
  const { output: evaluated } = await workspace.lathe("eval", folder, "--device", "cpu");
  expect(evaluated).toMatch(/^grammar, validation split/m);
  const { output: card } = await workspace.lathe("report", file);
  expect(card).toContain("Data read: grammar.");

  const steps = readdirSync(join(folder, "steps"));
  const pageOf = (action: string) =>
    readFileSync(
      join(
        folder,
        "steps",
        steps.find((step) => step.endsWith(`-${action}`))!,
        "report.md",
      ),
      "utf8",
    );
  expect(pageOf("report")).toContain("Data read: grammar.");
  expect(pageOf("evaluate")).toMatch(/^grammar, validation split/m);
  // Only the notice, and the configuration as it was written, name the files that do not exist.
  const texts = [shown, evaluated, card, pageOf("evaluate")].join("\n").split("\n");
  expect(texts.filter((line) => line.includes("missing/") && !line.includes("is read instead"))).toEqual([]);
});
