/** A run that is run again with changes is a new run beside the old one. */
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { expect, it } from "vitest";
import { realWorkspace, recordOf, runsOf, useRealLathe } from "./realLathe";

useRealLathe();

const cells = `
data: {grammar: {length: 3000}, tokenizer: bytes, sequence_len: 16, val_fraction: 0.2}
model: {model_type: gpt2, n_embd: 8, n_layer: 1, n_head: 2, n_positions: 16}
device: cpu
variants: {small: {}, wide: {model: {n_embd: 16}}}
train: {max_steps: 4, per_device_train_batch_size: 2}
`;

it(
  "keeps what --set and the variant gave it, and changes what is asked for",
  { timeout: 120_000 },
  async () => {
    const workspace = realWorkspace();
    const file = workspace.write("first.lathe.md", cells);
    const old = await workspace.run(file, "--variant", "wide", "--set", "train.warmup_steps=2");
    const before = readFileSync(join(old, "run.json"), "utf8");
    const { status, output, errors } = await workspace.lathe(
      "run",
      "--from",
      basename(old),
      "--set",
      "train.max_steps=6",
    );
    expect([status, errors]).toEqual([0, expect.stringContaining("first-wide-ms6")]);
    expect(output).toContain("6 of 6");
    expect(readFileSync(join(old, "run.json"), "utf8")).toBe(before);
    const again = runsOf(workspace).find((folder) => folder !== old)!;
    expect(dirname(again)).toBe(dirname(old));
    const { plan } = recordOf(again);
    expect(plan).toMatchObject({ variant: "wide", experiment: "first.lathe.md", model: { n_embd: 16 } });
    expect(plan.steps[0]!.options).toMatchObject({ max_steps: 6, warmup_steps: 2 });

    for (const [args, message] of [
      [[], "Name an experiment to run"],
      [["--from", "last", file], "Leave out one of them"],
      [["--from", "last", "--variant", "small"], "a run has one variant already"],
      [["--from", "last", "--set", "train.max_steps=0"], "has to be more than 0"],
    ] as const) {
      const refused = await workspace.lathe("run", ...args);
      expect([refused.status, refused.errors]).toEqual([2, expect.stringContaining(message)]);
    }
    expect(runsOf(workspace)).toHaveLength(2);
  },
);
