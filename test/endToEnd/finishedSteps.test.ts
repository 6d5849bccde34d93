/** Finished steps of an earlier run are reused only while none of their dependencies have changed. */
import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  historyOf,
  realWorkspace,
  recordOf,
  runsOf,
  tensorsOf,
  useRealLathe,
  type Workspace,
} from "./realLathe";

useRealLathe();

const model =
  "model: {model_type: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2}";
const cells = `
data: {text: "*.txt", sequence_len: 16, val_fraction: 0.2}
${model}
train: {max_steps: 12, per_device_train_batch_size: 2, learning_rate: 1e-3, eval_steps: 6}
compress: {magnitude: {sparsity: 0.5}}
evaluate: {perplexity: {stride: 8}}
report: {}
`;

let workspace: Workspace;
let file: string;
let first: string;
beforeEach(async () => {
  workspace = realWorkspace();
  const text = Array.from({ length: 60 }, (_, i) => `Line ${i} adds ${(i * i) % 97}.\n`).join("");
  writeFileSync(join(workspace.path, "text.txt"), text);
  file = workspace.write("short.lathe.md", cells);
  first = await run();
});

const run = (...options: string[]) => workspace.run(file, "--device", "cpu", ...options);

/** `train`, `compress` and so on, for the steps that the log reports as reused from an earlier run. */
function takenOver(folder: string): string[] {
  const log = readFileSync(join(folder, "log.txt"), "utf8");
  return [...log.matchAll(/^\S+ Reused step \d+ \((\w+)\) of (\S+):/gm)].map(([, action]) => action!);
}

const all = ["train", "compress", "evaluate"];

describe("an equal second run", { timeout: 60_000 }, () => {
  it("reuses everything except its report: the same tensors, curve and results", async () => {
    const second = await run();
    expect(takenOver(first)).toEqual([]);
    expect(takenOver(second)).toEqual(all);
    const own = tensorsOf(first);
    for (const [name, bytes] of tensorsOf(second)) expect(bytes.equals(own.get(name)!), name).toBe(true);
    expect(await historyOf(second)).toEqual(await historyOf(first));
    const measured = ({ summary }: ReturnType<typeof recordOf>) =>
      Object.fromEntries(Object.entries(summary).filter(([name]) => !/^system|per_second/.test(name)));
    expect(measured(recordOf(second))).toEqual(measured(recordOf(first)));
    const read = (folder: string, name: string) => readFileSync(join(folder, "steps", name), "utf8");
    expect(read(second, "2-evaluate/eval.json")).toBe(read(first, "2-evaluate/eval.json"));
    expect(read(second, "3-report/report.md")).toContain(recordOf(second).id);
    // Reused steps can be reused again.
    rmSync(first, { recursive: true });
    expect(takenOver(await run())).toEqual(all);
  });

  it("under another name reuses what it shares with the first", async () => {
    workspace.write(
      "short.lathe.md",
      cells.replace(
        "compress:",
        "variants: {light: {compress: {magnitude: {sparsity: 0.2}}}, heavy: {}}\ncompress:",
      ),
    );
    await workspace.lathe("run", file, "--device", "cpu");
    const [, ...runs] = runsOf(workspace).sort((a, b) =>
      recordOf(a).createdAt.localeCompare(recordOf(b).createdAt),
    );
    expect(runs.map((folder) => [recordOf(folder).plan.variant, takenOver(folder)])).toEqual([
      ["light", ["train"]],
      ["heavy", all],
    ]);
  });

  it("executes everything with --fresh", async () => {
    const second = await run("--fresh");
    expect(takenOver(second)).toEqual([]);
    expect(tensorsOf(second)).toEqual(tensorsOf(first));
  });
});

describe("what has changed since", { timeout: 60_000 }, () => {
  it("is executed again, with everything that depends on it and nothing else", async () => {
    expect(takenOver(await run("--set", "train.learning_rate=2e-3"))).toEqual([]);
    expect(takenOver(await run("--seed", "1"))).toEqual([]);
    expect(takenOver(await run("--set", "compress.magnitude.sparsity=0.25"))).toEqual(["train"]);
    expect(takenOver(await run("--set", "evaluate.perplexity.stride=4"))).toEqual(["train", "compress"]);
    appendFileSync(join(workspace.path, "text.txt"), "One line more.\n");
    expect(takenOver(await run())).toEqual([]);
  });

  it("may be the content of a base model", async () => {
    const base = (source: string) =>
      workspace.write("base.lathe.md", cells.replace(model, `base_model: ${JSON.stringify(source)}`));
    const checkpoint = join(first, "checkpoints", "step-12");
    const onBase = async () => workspace.run(base(checkpoint), "--device", "cpu");
    await onBase();
    expect(takenOver(await onBase())).toEqual(all);
    const other = await run("--seed", "1");
    rmSync(checkpoint, { recursive: true });
    cpSync(join(other, "checkpoints", "step-12"), checkpoint, { recursive: true });
    expect(takenOver(await onBase())).toEqual([]);
  });
});

describe("an earlier run that is damaged", { timeout: 60_000 }, () => {
  it("is not reused if its checkpoint or its history is incomplete", async () => {
    const weights = join(first, "checkpoints", "step-12", "model.safetensors");
    const whole = readFileSync(weights);
    truncateSync(weights, 500);
    const second = await run();
    expect(takenOver(second)).toEqual(["compress", "evaluate"]);
    expect(
      recordOf(second).notices.filter((notice) => /corrupt|changed since it was written/.test(notice)),
    ).toEqual([]);
    writeFileSync(weights, whole);
    rmSync(second, { recursive: true });
    const metrics = join(first, "metrics.jsonl");
    writeFileSync(metrics, readFileSync(metrics, "utf8").split("\n").slice(0, 5).join("\n"));
    expect(takenOver(await run())).toEqual([]);
    expect(readdirSync(first).length).toBeGreaterThan(0);
  });
});
