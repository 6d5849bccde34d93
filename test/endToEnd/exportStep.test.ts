/** The export step of an experiment leaves what it wrote and saved in `export.json` beside the model. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ExportResult } from "../../src/backend/exports/exportModel";
import { realWorkspace, useRealLathe } from "./realLathe";

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
