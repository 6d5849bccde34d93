/**
 * Samples of runs as users see them: while they are generated, in the run folder, and of several models side by side.
 */
import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { realWorkspace, recordOf, runsOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = (generate: string) => `
data: {grammar: {length: 4000, symbols: 12, seed: 1}, tokenizer: characters, sequence_len: 16}
model: {model_type: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
evaluate: {generate: {${generate}}}
`;
const logOf = (folder: string) => readFileSync(join(folder, "log.txt"), "utf8");

describe("samples of a run", { timeout: 180_000 }, () => {
  it("are saved with it, reported as they end, and shown beside those of other models", async () => {
    const workspace = realWorkspace();
    const text = `${cells("prompts: [a, aa], max_new_tokens: 40")}variants: {dense: {}, wide: {model: {intermediate_size: 64}}}`;
    const file = workspace.write("both.lathe.md", text);
    const { status, output } = await workspace.lathe("run", file, "--device", "cpu");
    expect(status).toBe(0);
    const folders = runsOf(workspace);
    const samples = folders.map((folder) => {
      const kept = readFileSync(join(folder, "steps/0-evaluate/samples.json"), "utf8");
      return (JSON.parse(kept) as { samples: { prompt: string; text: string }[] }).samples;
    });
    for (const [i, folder] of folders.entries()) {
      expect(samples[i]!.map(({ prompt, text: written }) => [prompt, written.length])).toEqual([
        ["a", 40],
        ["aa", 40],
      ]);
      for (const { prompt, text: written } of samples[i]!)
        expect(logOf(folder).split(`"${prompt}" → "${written}"`)).toHaveLength(2);
    }
    const beside = ["a", "aa"]
      .map((prompt, row) => {
        const texts = ["dense", "wide"].map((name, run) => `  both-${name}\n    ${samples[run]![row]!.text}`);
        return [prompt, ...texts].join("\n");
      })
      .join("\n\n");
    expect(output).toContain(`\n\n${beside}\n\n`);
    // Only side by side: not again with the rest of each run.
    expect(output).not.toContain(" → ");
    const names = folders.map((folder) => basename(folder));
    expect((await workspace.lathe("show", ...names)).output).toContain(`\n\n${beside}\n\n`);
    expect(await workspace.json("show", ...names)).toMatchObject({ runs: names.map((id) => ({ id })) });
    expect((await workspace.lathe("show", names[1]!)).output).toContain(`"a" → "${samples[1]![0]!.text}"`);
  });

  it("can be watched while they are generated, and stopped", async () => {
    const workspace = realWorkspace();
    const file = workspace.write("long.lathe.md", cells("prompts: [a], max_new_tokens: 100000000"));
    const folder = await workspace.begin(file, "--device", "cpu");
    await expect
      .poll(() => recordOf(folder).progress?.action ?? "", { timeout: 120_000 })
      .toMatch(/^….{40} tokens \d+\/100000000$/);
    expect((await workspace.lathe("stop", "last")).status).toBe(0);
    expect(recordOf(folder).state).toBe("stopped");
  });
});
