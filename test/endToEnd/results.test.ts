/** Final results: published counts, equal losses on every device, a known floor, documents for programs. */
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { webgpuSkipReason } from "../support/webgpu";
import { historyOf, realWorkspace, recordOf, useRealLathe, type Workspace } from "./realLathe";

useRealLathe();

interface Model {
  readonly model_type: string;
  readonly non_embedding: { readonly stored: number };
  readonly total: { readonly stored: number };
}

describe("published models", { timeout: 60_000 }, () => {
  it.each([
    ["kphi3/JP47D54C", "phi3", 226_507_776, 423_508_992],
    ["kphi3/JP47D55C", "kphi3", 35_011_584, 232_012_800],
    ["kphi3/JP47D56C", "kphi3", 52_515_840, 249_517_056],
    ["gpt2/gpt2-small", "gpt2", 85_056_000, 124_439_808],
  ])("%s has the published number of parameters", async (name, family, nonEmbedding, total) => {
    const file = resolve("examples", "papers", `${name}.lathe.md`);
    const { models } = await realWorkspace().json<{ models: readonly Model[] }>("params", file);
    const counts = models.map(({ model_type, non_embedding, total: whole }) => [
      model_type,
      non_embedding.stored,
      whole.stored,
    ]);
    expect(counts).toEqual([[family, nonEmbedding, total]]);
  });
});

const grammar = (steps: number) => `
data: {grammar: {length: 60000, symbols: 12, branching: 4, seed: 1}, tokenizer: characters, sequence_len: 32}
model: {model_type: llama, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 1, num_attention_heads: 2, max_position_embeddings: 32}
train: {max_steps: ${steps}, per_device_train_batch_size: 8, learning_rate: 1e-2, eval_steps: 10}
`;

describe("a training on WebGPU", { timeout: 120_000 }, () => {
  it("has the CPU's losses", async (test) => {
    if (webgpuSkipReason !== undefined) return test.skip(webgpuSkipReason);
    const workspace = realWorkspace();
    // Without a validation split: a software driver takes seconds to prepare each additional program.
    const cells = grammar(20)
      .replace("{grammar:", "{val_fraction: 0, grammar:")
      .replace(", eval_steps: 10", "");
    const file = workspace.write("short.lathe.md", cells);
    const onProcessor = await historyOf(await workspace.run(file, "--device", "cpu"));
    const folder = await workspace.run(file, "--device", "webgpu", "--fresh");
    expect(recordOf(folder).device).toMatchObject({ name: "webgpu", reason: "selected by name" });
    const onWebgpu = await historyOf(folder);
    expect(onWebgpu.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    for (const [i, { step, "train/loss": loss }] of onWebgpu.entries())
      expect(Math.abs(loss! / onProcessor[i]!["train/loss"]! - 1), `step ${step}`).toBeLessThan(1e-3);
  });
});

describe("the floor of a grammar", { timeout: 60_000 }, () => {
  it("is in the record, and a trained model gets close to it, but not below", async () => {
    const workspace = realWorkspace();
    const folder = await workspace.run(workspace.write("floor.lathe.md", grammar(300)), "--device", "cpu");
    const { floor, summary } = recordOf(folder);
    expect(floor).toBeGreaterThan(0.5);
    expect(await workspace.json("show", "last")).toMatchObject({ floor });
    const losses = (await historyOf(folder)).flatMap((line) => line["eval/loss"] ?? []);
    expect(losses[0]).toBeGreaterThan(2 * floor!);
    expect(losses.at(-1)).toBeLessThan(1.08 * floor!);
    // A split of thousands of tokens deviates from the rate of infinite text by a few thousandths.
    expect(summary["eval/loss"]!.min).toBeGreaterThan(0.98 * floor!);
  });
});

describe("--json", { timeout: 60_000 }, () => {
  let workspace: Workspace;
  let folder: string;
  beforeAll(async () => {
    workspace = realWorkspace();
    workspace.write("tiny.lathe.md", `${grammar(4)}evaluate: {perplexity: {max_tokens: 100}}`);
    folder = await workspace.run("tiny.lathe.md", "--device", "cpu");
  }, 60_000);

  it.each([
    ["run", ["tiny.lathe.md", "--device", "cpu"], ["runs"]],
    ["plan", ["tiny.lathe.md", "--device", "cpu", "--set", "model.vocab_size=20"], ["runs", "machine"]],
    ["params", ["tiny.lathe.md", "--set", "model.vocab_size=20"], ["models"]],
    ["runs", [], ["0", "1"]],
    ["show", ["last"], ["id", "state", "plan", "summary", "evaluations", "metrics", "floor"]],
    ["queue", [], []],
    ["devices", [], ["devices"]],
    ["eval", ["RUN", "--device", "cpu"], ["perplexity", "protocol"]],
    ["generate", ["RUN", "--device", "cpu", "--prompt", "a", "--max-new-tokens", "4"], ["samples"]],
    ["inspect", ["RUN"], ["roles", "tensors", "total"]],
    ["export", ["RUN", "--format", "onnx", "--out", "onnx"], ["format", "files"]],
  ] as const)("makes lathe %s print one document and nothing else", async (command, args, keys) => {
    const given = args.map((each) => (each === "RUN" ? folder : each));
    const { status, output, errors } = await workspace.lathe(command, ...given, "--json");
    expect({ status, errors }).toMatchObject({ status: 0 });
    const document = JSON.parse(output) as object;
    expect(output).toBe(`${JSON.stringify(document, undefined, 2)}\n`);
    expect(Object.keys(document)).toEqual(expect.arrayContaining([...keys]));
  });
});
