/** An experiment from a language model to a shrunk classifier, and its bad input, with the real program. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { createUniform } from "../support/sampleValues";
import { killProcess, realWorkspace, recordOf, tensorsOf, useRealLathe, type Workspace } from "./realLathe";
import { ended, pastStep } from "../backend/runs/workbench";

useRealLathe();

const cells = `
data: {grammar: {length: 6000, symbols: 12}, tokenizer: bytes, sequence_len: 12, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 16, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0}
train: {max_steps: 10, learning_rate: 3e-3}
`;
const tuned = `
train:
  data: {text: words.tsv, header: false, label_column: "1", text_column: "2"}
  max_steps: 150
  per_device_train_batch_size: 16
  learning_rate: 1e-2
  save_steps: 50
evaluate: {classification: {}}
compress: {sequential: {stages: [{irc: {rate: 1}}, {fpp: {targets: layers.*.mlp.*, sparsity: 0.5}}], train: {max_steps: 20, learning_rate: 3e-3}}}
`;
const last = "\nevaluate: {classification: {split: train}, counts: {}}\n";

let workspace: Workspace;
let file: string;
beforeAll(() => {
  workspace = realWorkspace();
  const random = createUniform(4);
  const word = () => Array.from({ length: 5 }, () => "abcdef"[Math.floor(random() * 6)]!).join("");
  const rows = Array.from({ length: 200 }, word).map(
    (text) => `${/^[abc]/.test(text) ? "low" : "high"}\t${text}`,
  );
  writeFileSync(join(workspace.path, "words.tsv"), rows.join("\n"));
  file = workspace.write("words.lathe.md", [cells, tuned, last].join("```\n\n```yaml"));
});

const results = (folder: string, step: string) =>
  JSON.parse(readFileSync(join(folder, "steps", step, "eval.json"), "utf8")) as {
    classification: { values: Record<string, number>; details: { labels: string[]; data: string } };
  };

describe("an experiment that ends with a classifier", { timeout: 120_000 }, () => {
  it("learns text, then classes, is shrunk and evaluated, and gives the same bytes if killed in between", async () => {
    const folder = await workspace.run(file, "--device", "cpu");
    const { log, summary } = {
      log: readFileSync(join(folder, "log.txt"), "utf8"),
      summary: recordOf(folder).summary,
    };
    expect(log).toContain("Replaced the language-model head with a new head for 2 classes (high, low).");
    const { values, details } = results(folder, "2-evaluate").classification;
    expect(values["classification/accuracy"]).toBeGreaterThan(0.9);
    expect(details).toMatchObject({ labels: ["high", "low"], data: "words.tsv" });
    expect(results(folder, "4-evaluate").classification.values["classification/accuracy"]).toBeGreaterThan(
      0.5,
    );
    expect(summary["classification/accuracy"]).toBeDefined();
    const { energy } = recordOf(folder);
    expect(energy!.kwh).toBeGreaterThan(0);
    expect(energy!.co2_grams / energy!.kwh).toBeGreaterThan(0);

    const again = await workspace.begin(file, "--fresh", "--device", "cpu");
    await pastStep(again, 60);
    killProcess(again);
    expect((await ended(again)).state).toBe("interrupted");
    expect(await workspace.lathe("resume", again)).toMatchObject({ status: 0 });
    const tensors = tensorsOf(folder);
    for (const [name, bytes] of tensorsOf(again)) expect(bytes.equals(tensors.get(name)!), name).toBe(true);
  });

  it.each([
    ['label_column: "1"', 'label_column: "7"', /no column "7"/],
    [
      'text_column: "2"',
      'text_column: "2", labels: [high, middle]',
      /has the label "low"; labels are "high", "middle"/,
    ],
    [
      'text_column: "2"',
      'text_column: "2", truncation: none, sequence_len: 3',
      /5 tokens, and a sequence has 3/,
    ],
    ["classification: {}", "perplexity: {}", /2-class classifier, which predicts no tokens/],
    ["header: false", "header: perhaps", /header/],
  ])("with %s changed to %s is refused with the reason", async (from, to, message) => {
    const text = [cells, tuned, last].join("```\n\n```yaml");
    expect(text).toContain(from);
    const bad = workspace.write("bad.lathe.md", text.replace(from, to));
    const { status, errors } = await workspace.lathe("run", bad, "--device", "cpu", "--fresh");
    expect(errors).toMatch(message);
    expect(status).toBe(2);
  });
});
