/** Models that runs trained are merged, by an experiment and by a configuration of mergekit. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readSafetensors } from "../../src/backend/checkpoints/safetensors";
import { realWorkspace, recordOf, useRealLathe, type Workspace } from "./realLathe";

useRealLathe();

const data = `data: {text: "*.txt", sequence_len: 16, val_fraction: 0.2}`;
const train = "train: {max_steps: 6, per_device_train_batch_size: 2, learning_rate: 1e-3}";
const model = (width: number) =>
  `model: {model_type: llama, hidden_size: ${width}, intermediate_size: 32, num_hidden_layers: 2, num_attention_heads: 2}`;

let workspace: Workspace;
/** Checkpoints: a base, two models that were trained further, and one of another width. */
const paths: Record<"base" | "a" | "b" | "wide", string> = { base: "", a: "", b: "", wide: "" };

const checkpointOf = (run: string) => join(run, "checkpoints", "step-6");

beforeAll(async () => {
  workspace = realWorkspace();
  const text = Array.from({ length: 60 }, (_, i) => `Line ${i} adds ${(i * i) % 97}.\n`).join("");
  writeFileSync(join(workspace.path, "text.txt"), text);
  const run = async (name: string, start: string, ...options: string[]) =>
    checkpointOf(
      await workspace.run(
        workspace.write(`${name}.lathe.md`, `\n${data}\n${start}\n${train}\n`),
        "--device",
        "cpu",
        ...options,
      ),
    );
  paths.base = await run("base", model(16));
  paths.wide = await run("wide", model(24));
  for (const [seed, name] of (["a", "b"] as const).entries())
    paths[name] = await run(name, `base_model: ${JSON.stringify(paths.base)}`, "--seed", String(seed + 1));
}, 120_000);

const readTensors = (checkpoint: string) => readSafetensors(join(checkpoint, "model.safetensors")).tensors;

/** Merges on the base, and returns the folder of the run. */
function merge(cell: string, rest = ""): Promise<string> {
  const cells = `\n${data}\nbase_model: ${JSON.stringify(paths.base)}\nmerge: ${cell}\n${rest}`;
  return workspace.run(workspace.write("merged.lathe.md", cells), "--device", "cpu");
}

const takenOver = (folder: string): string[] =>
  [
    ...readFileSync(join(folder, "log.txt"), "utf8").matchAll(/^\S+ Reused step \d+ \((\w+)\) of (\S+):/gm),
  ].map(([, action]) => action!);

describe("a merge cell", { timeout: 120_000 }, () => {
  it("adds what two models learned since their base, and later steps continue with the result", async () => {
    const models = `[{model: ${JSON.stringify(paths.a)}, weight: 0.5}, {model: ${JSON.stringify(paths.b)}, weight: 0.25}]`;
    const run = await merge(
      `{task_arithmetic: {models: ${models}}}`,
      "compress: {magnitude: {sparsity: 0}}\nevaluate: {perplexity: {}}\n",
    );
    expect(recordOf(run).state).toBe("done");
    const [base, a, b] = [paths.base, paths.a, paths.b].map(readTensors);
    const merged = readTensors(join(run, "steps", "0-merge", "checkpoint"));
    expect([...merged.keys()]).toEqual([...base!.keys()]);
    for (const [name, { data: values }] of merged) {
      const [from, first, second] = [base!, a!, b!].map((each) => each.get(name)!.data as Float32Array);
      for (const [i, value] of (values as Float32Array).entries()) {
        const wanted = from![i]! + 0.5 * (first![i]! - from![i]!) + 0.25 * (second![i]! - from![i]!);
        expect(Math.abs(value - wanted)).toBeLessThan(1e-6);
      }
    }
    expect(recordOf(run).summary["perplexity/token"]!.last).toBeGreaterThan(1);
  });

  it("is taken over from an earlier run until a model that it names changes", async () => {
    const copy = join(workspace.path, "copied");
    cpSync(paths.a, copy, { recursive: true });
    const cell = `{linear: {models: [{model: ${JSON.stringify(copy)}}]}}`;
    const evaluate = "evaluate: {perplexity: {}}\n";
    expect(takenOver(await merge(cell, evaluate))).toEqual([]);
    expect(takenOver(await merge(cell, evaluate))).toEqual(["merge", "evaluate"]);
    rmSync(copy, { recursive: true });
    cpSync(paths.b, copy, { recursive: true });
    expect(takenOver(await merge(cell, evaluate))).toEqual([]);
  });

  it.each([
    [
      "a model of another width",
      () => `{slerp: {model: ${JSON.stringify(paths.wide)}}}`,
      /cannot be merged with the current model: its hidden_size is 24, and that of the model is 16/,
    ],
    ["a model that is not there", () => "{slerp: {model: nowhere}}", /nowhere/],
    [
      "two methods",
      () => "{slerp: {model: a}, linear: {models: [{model: a}]}}",
      /name one method of merging/,
    ],
    ["no model", () => "{ties: {models: []}}", /merge\.ties\.models/],
    ["a share of 2", () => "{slerp: {model: a, t: 2}}", /has to be from 0 to 1/],
    ["a method that does not exist", () => "{slurp: {model: a}}", /Did you mean "slerp"/],
  ])("refuses %s before anything runs", async (_, cell, message) => {
    const cells = `\nbase_model: ${JSON.stringify(paths.base)}\nmerge: ${cell()}\n`;
    const { status, errors } = await workspace.lathe("plan", workspace.write("bad.lathe.md", cells));
    expect(status).toBe(2);
    expect(errors).toMatch(message);
  });

  it("refuses to merge what was compressed", async () => {
    const cells = `\nbase_model: ${JSON.stringify(paths.base)}\ncompress: {magnitude: {sparsity: 0.5}}\nmerge: {slerp: {model: ${JSON.stringify(paths.a)}}}\n`;
    const { status, errors } = await workspace.lathe("plan", workspace.write("bad.lathe.md", cells));
    expect(status).toBe(2);
    expect(errors).toMatch(/The current model cannot be merged: .* is stored as masked/);
  });
});

describe("a model of another vocabulary of equal size", { timeout: 120_000 }, () => {
  const trained = async (name: string, letters: string) => {
    const text = Array.from({ length: 60 }, (_, i) => `${letters.slice(i % 9)}${letters}\n`).join("");
    writeFileSync(join(workspace.path, `${name}.text`), text);
    const own = `data: {text: ${name}.text, tokenizer: characters, sequence_len: 16, val_fraction: 0.2}`;
    const cells = `\n${own}\n${model(16)}\n${train}\n`;
    const run = await workspace.run(workspace.write(`${name}.lathe.md`, cells), "--device", "cpu");
    return { own, checkpoint: checkpointOf(run) };
  };

  it("is neither merged nor a teacher", async () => {
    const [first, second] = [await trained("first", "acegikmoqs"), await trained("second", "bdfhjlnprt")];
    const [base, other] = [first, second].map(({ checkpoint }) => JSON.stringify(checkpoint));
    const message = /has another vocabulary than the current model: token \d+ is "b" there and "a" here/;
    for (const cell of [
      `merge: {slerp: {model: ${other}}}`,
      `train: {max_steps: 2, teacher: {model: ${other}}}`,
    ]) {
      const file = workspace.write("mixed.lathe.md", `\n${first.own}\nbase_model: ${base}\n${cell}\n`);
      const { status, errors } = await workspace.lathe("run", file, "--device", "cpu");
      expect([status, errors]).toEqual([2, expect.stringMatching(message)]);
    }
    const configuration = `merge_method: slerp\nbase_model: ${base}\nmodels: [{model: ${base}}, {model: ${other}}]\nparameters: {t: 0.5}\n`;
    writeFileSync(join(workspace.path, "mixed.yml"), configuration);
    const merged = await workspace.lathe("merge", "mixed.yml", "mixed");
    expect([merged.status, merged.errors]).toEqual([2, expect.stringMatching(message)]);
  });
});

describe("lathe merge", { timeout: 120_000 }, () => {
  it("writes a Hugging Face folder that a configuration of mergekit describes", async () => {
    const configuration = `merge_method: slerp\nbase_model: ${paths.base}\nmodels: [{model: ${paths.base}}, {model: ${paths.a}}]\nparameters: {t: 1}\n`;
    writeFileSync(join(workspace.path, "merge.yml"), configuration);
    const { folder } = await workspace.json<{ folder: string }>("merge", "merge.yml", "merged", "--json");
    expect(folder).toBe(join(workspace.path, "merged"));
    const [merged, a] = [readTensors(folder), readTensors(paths.a)];
    for (const [name, { data: values }] of a) expect(merged.get(name)!.data).toEqual(values);
    expect((await workspace.lathe("eval", "merged", "--data", "text.txt")).status).toBe(0);
  });

  it.each([
    ["merge_method: linear\n", /Write either models or slices/],
    ["merge_method: [\n", /is not valid YAML/],
    ["merge_method: slerp\nbase_model: nowhere\nmodels: [{model: a}]\nparameters: {t: 0.5}\n", /nowhere/],
  ])("refuses %j", async (configuration, message) => {
    writeFileSync(join(workspace.path, "bad.yml"), configuration);
    const { status, errors } = await workspace.lathe("merge", "bad.yml", "out");
    expect(status).toBe(2);
    expect(errors).toMatch(message);
  });
});
