/** A recipe from the command line: its rows in the plan, the log and the results, and resuming where it stopped. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { pastStep } from "../backend/runs/workbench";
import { historyOf, realWorkspace, recordOf, tensorsOf, useRealLathe, type Workspace } from "./realLathe";

useRealLathe();

const cells = (steps: number) => `
recipe: paper
data: {text: pairs.jsonl, sequence_len: 32, val_set_size: 12}
model: {model_type: kphi3, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, min_channels_per_group: 8, max_position_embeddings: 32}
train: {block_rows: 40, max_steps: ${steps}}
`;

function withPairs(): Workspace {
  const workspace = realWorkspace();
  const rows = Array.from({ length: 200 }, (_, i) => ({
    instruction: `Add ${i} and 2.`,
    response: i % 10 === 3 ? "I cannot." : i % 10 === 6 ? "No, I don't have that." : String(i + 2),
  }));
  writeFileSync(join(workspace.path, "pairs.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  return workspace;
}

const left = [200, 200, 200, 180, 180, 180, 160];

it(
  "counts the rows that each rule leaves, in the plan, the log and the results",
  { timeout: 60_000 },
  async () => {
    const workspace = withPairs();
    const file = workspace.write("pairs.lathe.md", cells(12));
    const { runs } = await workspace.json<{ runs: [{ data: { rows: { filters: { left: number }[] } } }] }>(
      "plan",
      file,
      "--device",
      "cpu",
    );
    expect(runs[0].data.rows.filters.map(({ left: count }) => count)).toEqual(left);
    const said =
      'Rows: 200 with text; left without "I am not" 200, "I am an AI" 200, "I do not" 200, "I cannot" 180';
    expect((await workspace.lathe("plan", file, "--device", "cpu")).output).toContain(said);

    const folder = await workspace.run(file, "--device", "cpu");
    const log = readFileSync(join(folder, "log.txt"), "utf8");
    expect(log).toContain(said);
    expect(log).toMatch(
      /Block 1: 40 documents drawn with replacement, \d+ of them distinct, in \d+ sequences/,
    );
    const results = JSON.parse(readFileSync(join(folder, "steps/0-train/data.json"), "utf8")) as unknown;
    expect({ ...(results as object), notices: [] }).toEqual(runs[0].data);
    // The recipe is written out, so that it does not depend on later changes of the named recipe.
    const resolved = readFileSync(join(folder, "config.resolved.yaml"), "utf8");
    expect(resolved).toContain("packing_strategy: characters");
    expect(resolved).toContain("restart_optimizer: true");
    expect(resolved).not.toContain("recipe");
  },
);

it("resumes bit for bit after a stop within its blocks", { timeout: 120_000 }, async () => {
  const workspace = withPairs();
  const file = workspace.write("pairs.lathe.md", cells(250));
  const folder = await workspace.begin(file, "--device", "cpu");
  await pastStep(folder, 25);
  expect(await workspace.lathe("stop", "last")).toMatchObject({ status: 0 });
  const { step } = recordOf(folder).progress!;
  expect(step).toBeLessThan(250);
  expect(await workspace.lathe("resume", "last")).toMatchObject({ status: 0 });
  const whole = await workspace.run(file, "--device", "cpu", "--fresh");
  expect(await historyOf(folder)).toEqual(await historyOf(whole));
  expect(tensorsOf(folder)).toEqual(tensorsOf(whole));
});
