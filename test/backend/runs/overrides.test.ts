/** A setting that makes variants equal which the experiment made different is announced. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { schemaCatalog } from "../../../src/backend/schemaCatalog";
import { loadPlans } from "../../../src/backend/runs/planning/loadPlans";
import { temporaryFolder } from "./workbench";

const cells = `
data: {grammar: {}}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2}
train: {max_steps: 600, learning_rate: 1e-3}
scale: small
scales: {full: {}, small: {train: {max_steps: 60}, variants: {equal-flops: {train: {max_steps: 21}}}}}
variants: {dense: {}, grouped: {}, equal-flops: {train: {max_steps: 219}}}
sweep: {seed: [0, 1], train.learning_rate: [1e-3, 1e-4]}
`;

it.each([
  [
    ["train.max_steps=30"],
    [
      "train.max_steps=30 applies to every variant, also where the experiment sets different values: 60 in dense, grouped; 21 in equal-flops. Comparisons that rely on them no longer hold.",
    ],
  ],
  [
    ["scale=full", "train.max_steps=30"],
    [expect.stringContaining("600 in dense, grouped; 219 in equal-flops.")],
  ],
  // Equal in all variants, and swept.
  [["model.n_layer=2"], []],
  [["train.learning_rate=1e-2"], []],
  [["scale=full"], []],
])("%j", async (set, warnings) => {
  const file = join(temporaryFolder(), "card.lathe.md");
  writeFileSync(file, `# A card\n\n\`\`\`yaml\n${cells.trim()}\n\`\`\`\n`);
  expect((await loadPlans(file, { set }, schemaCatalog)).warnings).toEqual(warnings);
});
