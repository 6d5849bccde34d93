/** Losses of different text are marked wherever they are shown, and a control that an override has broken gives no answer. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { realWorkspace, recordOf, runsOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = `
paper:
  title: A tiny paper
  questions:
    - {question: Is little as good?, variant: small-batch, against: plain}
    - {question: Is less text as good?, variant: less-text, against: plain}
    - {question: Is short training as good in as many FLOPs?, variant: short, against: wide, equal: flops, equal_within: 0.1}
data: {grammar: {length: 4000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16}
device: cpu
variants:
  plain: {}
  small-batch: {train: {per_device_train_batch_size: 2}}
  less-text: {train: {eval_tokens: 64}}
  short: {train: {max_steps: 2}}
  wide: {model: {n_inner: 448}, train: {max_steps: 1}}
train: {max_steps: 2, per_device_train_batch_size: 4}
evaluate: {perplexity: {max_tokens: 100}}
report: {}
`;

interface Report {
  readonly answers: readonly { readonly answer: string; readonly reason?: string }[];
}

it("is marked in tables, cards, reports and pages", { timeout: 240_000 }, async () => {
  const workspace = realWorkspace();
  const file = workspace.write("compare.lathe.md", cells);
  const { report } = await workspace.json<{ report: Report }>("run", file);
  const records = Object.fromEntries(
    runsOf(workspace).map((folder) => [recordOf(folder).plan.variant, { folder, record: recordOf(folder) }]),
  );
  const lossOf = (variant: string) => records[variant]!.record.losses!["eval/loss"]!;
  // The same text in the same sequences, whatever the batch.
  expect(lossOf("small-batch")).toEqual(lossOf("plain"));
  expect(lossOf("plain").method).toBe("sequences of 16, mean over tokens");
  expect(lossOf("less-text")).toMatchObject({ tokens: 64, data: "grammar", split: "validation" });
  expect(lossOf("less-text").hash).not.toBe(lossOf("plain").hash);

  expect(report.answers.map(({ answer }) => answer)).toEqual([
    "not decided",
    "not comparable",
    expect.stringMatching(/not decided|not comparable/),
  ]);
  expect(report.answers[1]!.reason).toMatch(
    /^eval\/loss of less-text was measured on 64 tokens of grammar, .* and of plain on \d+ tokens of grammar/,
  );

  const { output: table } = await workspace.lathe("runs");
  const letterOf = (variant: string) =>
    new RegExp(`^compare-${variant}-\\S+ +done +\\S+ +[\\d.]+ ([AB]) `, "m").exec(table)?.[1];
  expect(new Set(["plain", "small-batch", "short", "wide"].map(letterOf)).size).toBe(1);
  expect([letterOf("plain"), letterOf("less-text")].sort()).toEqual(["A", "B"]);
  expect(table).toContain("The eval loss of these runs is not comparable across letters");
  const { output: shown } = await workspace.lathe("show", records["plain"]!.folder);
  expect(shown).toMatch(
    /^eval\/loss +\d+ tokens of grammar, validation split \(ids [0-9a-f]{8}\), sequences of 16, /m,
  );
  const page = readFileSync(join(records["plain"]!.folder, "steps/2-report/report.md"), "utf8");
  expect(page).toMatch(/^- eval\/loss: \d+ tokens of grammar, validation split/m);

  // All variants then train as long, and the one that was to take as many FLOPs does not.
  const overridden = await workspace.json<{ report: Report }>("run", file, "--set", "train.max_steps=3");
  expect(overridden.report.answers[2]!.answer).toBe("not comparable");
  expect(overridden.report.answers[2]!.reason).toMatch(
    /^equal training FLOPs are presupposed, but short has \d\.\d\de\+\d and wide has \d\.\d\de\+\d/,
  );
  // Reused steps include their protocols.
  const again = await workspace.run(file, "--variant", "plain");
  expect(recordOf(again).losses).toEqual(records["plain"]!.record.losses);
});
