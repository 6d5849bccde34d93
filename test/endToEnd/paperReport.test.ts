/** A paper card of real trainings: several variants and seeds are run, reported, and reported again after a change. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { realWorkspace, recordOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = (steps: number) => `
paper:
  title: A tiny paper
  scale: full
  baseline: wide
  published:
    - {variant: wide, quantity: parameters/non_embedding, value: 2224}
    - {variant: narrow, quantity: parameters/non_embedding_percent, value: 25.54, tolerance: 0.5}
    - {variant: narrow, quantity: eval/loss, value: 1.5, tolerance: 0.1}
  questions:
    - {question: Does narrow do as well?, variant: narrow, against: wide}
  series: [{name: old curve, first_step: 2, step_interval: 2, tokens_per_step: 32, values: [3, 2.5, 2]}]
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: phi3, hidden_size: 16, intermediate_size: 24, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
device: cpu
scale: tiny
scales: {full: {}, tiny: {train: {max_steps: ${steps}}}}
variants: {wide: {}, narrow: {model: {hidden_size: 8, intermediate_size: 12}}}
sweep: {seed: [0, 1]}
train: {max_steps: 1000, per_device_train_batch_size: 2, learning_rate: 1e-2, eval_steps: 3, eval_batches: 2}
report: {}
`;

interface Report {
  readonly runs: readonly string[];
  readonly unfinished: number;
  readonly rows: readonly {
    readonly name: string;
    readonly reproduced?: { readonly mean: number; readonly half?: number; readonly count: number };
    readonly verdict: { readonly kind: string; readonly reason?: string };
  }[];
  readonly answers: readonly { readonly answer: string; readonly difference?: { readonly mean: number } }[];
  readonly conclusion: readonly string[];
  readonly report: string;
  readonly page: string;
}

describe("a paper card", { timeout: 180_000 }, () => {
  it("is printed after its runs, only from them, and reports what they leave open", async () => {
    const workspace = realWorkspace();
    const file = workspace.write("card.lathe.md", cells(4));
    const { runs, report } = await workspace.json<{
      runs: readonly { id: string; folder: string }[];
      report: Report;
    }>("run", file);
    expect(report.runs).toEqual(runs.map(({ id }) => id));
    expect(report.unfinished).toBe(0);
    expect(report.rows.map(({ name, verdict }) => [name, verdict.kind, verdict.reason])).toEqual([
      ["wide", "not comparable", "scale tiny, published at full"],
      ["narrow", "reproduced", undefined],
      ["narrow", "not comparable", "scale tiny, published at full"],
    ]);
    // The values equal those of the runs' records.
    const losses = runs.map(({ folder }) => recordOf(folder).summary["eval/loss"]!.last);
    const [wide, narrow] = [losses.slice(0, 2), losses.slice(2)];
    expect(report.rows[2]!.reproduced!.mean).toBeCloseTo((narrow[0]! + narrow[1]!) / 2, 10);
    // Student's t for one degree of freedom times half the difference of two values.
    expect(report.rows[2]!.reproduced!.half).toBeCloseTo(
      (12.7062 * Math.abs(narrow[0]! - narrow[1]!)) / 2,
      4,
    );
    const difference = (narrow[0]! - wide[0]! + narrow[1]! - wide[1]!) / 2;
    expect(report.answers[0]!.difference!.mean).toBeCloseTo(difference, 10);
    expect(report.conclusion[0]).toMatch(/^Of 3 published numbers, 1 are reproduced at scale tiny/);
    const page = readFileSync(report.report, "utf8");
    expect(page).toContain("Published and reproduced");
    expect(page).toContain("Does narrow do as well?");

    const html = readFileSync(report.page, "utf8");
    expect(html).toContain("Published and reproduced");
    expect(html).toContain("Training loss, nats per token");
    // A self-contained file without scripts.
    expect(html).not.toMatch(
      /<script|<link|<img|\bsrc=|url\((?!#)|@import|https?:\/\/(?!www\.w3\.org\/2000\/svg)/i,
    );
    const curves = readFileSync(report.page.replace(/\.html$/, "-figures/training-loss.csv"), "utf8");
    expect(curves.split(/\r?\n/)[0]).toBe("series,x,y");
    expect(page).toMatch(/training-loss\.svg/);

    const again = await workspace.json<Report>("report", file);
    expect(again).toEqual(report);
    const shown = await workspace.lathe("report", file);
    expect(shown.output).toContain("From 4 runs.");
    expect(shown.output).toMatch(/narrow\s+parameters\/non_embedding_percent/);
    expect(existsSync(again.report)).toBe(true);

    // At the published scale, nothing has been run, but the sizes are still exact.
    const full = await workspace.json<Report>("report", file, "--set", "scale=full");
    expect(full.unfinished).toBe(4);
    expect(full.rows.map(({ verdict }) => [verdict.kind, verdict.reason])).toEqual([
      ["reproduced", undefined],
      ["reproduced", undefined],
      ["not comparable", "no finished run"],
    ]);

    // The card ignores runs of another text.
    workspace.write("card.lathe.md", cells(5));
    const changed = await workspace.json<Report>("report", file);
    expect([changed.runs, changed.unfinished]).toEqual([[], 4]);
    expect(changed.conclusion.at(-1)).toBe(
      "Does narrow do as well? Not decided, no finished run of narrow and wide.",
    );
  });

  it("is a comparison of the variants without a paper cell", async () => {
    const workspace = realWorkspace();
    const file = workspace.write(
      "plain.lathe.md",
      "data: {grammar: {}}\nmodel: {model_type: gpt2}\ntrain: {}",
    );
    const report = await workspace.json<Report>("report", file);
    expect([report.runs, report.unfinished, report.conclusion]).toEqual([[], 1, []]);
    expect(readFileSync(report.page, "utf8")).toContain("From 0 of 1 runs");
  });
});
