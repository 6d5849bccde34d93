/** Reports of the command line that run nothing. */
import { beforeEach, describe, expect, it } from "vitest";
import { realWorkspace, useRealLathe, type Workspace } from "../endToEnd/realLathe";

useRealLathe();

let workspace: Workspace;
beforeEach(() => {
  workspace = realWorkspace();
});

describe("lathe plan", () => {
  it("prints what each method removes from which parts, and the remaining totals", async () => {
    const cells =
      "model: {model_type: gpt2, vocab_size: 50257}\ncompress:\n  - irc: {}\n  - fpp: {targets: layers.*.mlp.*, rounding: kept}";
    const { status, output } = await workspace.lathe("plan", workspace.write("small.lathe.md", cells));
    expect(status).toBe(0);
    const lines = output.split("\n").map((line) => line.trim().replace(/ {2,}/g, " "));
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^1\. compress irc: 110,302,464 parameters \(11\.361 % less\), /) as string,
        "24 × together 14,155,776 → 18,432 (99.870 % less)",
        "12 × layers.*.mlp.up_proj.bias 36,864 → 11,064 (69.987 % less)",
        "48 × together 56,669,184 → 17,000,748 (70.000 % less)",
      ]),
    );
  });

  it("reports a packed matrix as a whole if it is shrunk as one", async () => {
    const cells = "model: {model_type: gpt2, vocab_size: 50257}\ncompress: {magnitude: {sparsity: 0.5}}";
    const { output } = await workspace.lathe("plan", workspace.write("packed.lathe.md", cells));
    expect(output.replace(/ {2,}/g, " ")).toContain(
      "12 × layers.*.self_attn.qkv_proj 21,233,664 → 10,616,832 (50.000 % less)",
    );
  });

  it("shows the memory of a method that works layer by layer", async () => {
    const cells =
      "data: {grammar: {}, sequence_len: 16}\nmodel: {model_type: gpt2, vocab_size: 64, n_embd: 8, n_layer: 2, n_head: 2}\ncompress:\n  - magnitude: {sparsity: 0.5}\n  - gptq: {}";
    const { output } = await workspace.lathe("plan", workspace.write("memory.lathe.md", cells));
    const [magnitude, gptq] = output.split("\n").filter((line) => line.includes("compress"));
    expect(magnitude).not.toContain("memory");
    expect(gptq).toMatch(/^ {2}2\. compress gptq: .*; memory up to about [\d.]+ [MG]B$/);
  });

  it("reports the teacher of a step, and its size", async () => {
    const cells =
      "data: {grammar: {}}\nmodel: {model_type: gpt2, vocab_size: 64, n_embd: 8, n_layer: 4, n_head: 2}\ntrain: {max_steps: 4}\n```\n\n```yaml\ncompress: {layerdrop: {rate: 0.5}}\n```\n\n```yaml\ntrain: {max_steps: 3, teacher: {recipe: hinton}}";
    const { status, output } = await workspace.lathe("plan", workspace.write("taught.lathe.md", cells));
    expect(status).toBe(0);
    const whole = /whole model +([\d,]+)/.exec(output)![1]!;
    const lines = output.split("\n").filter((line) => /^ +\d\. train/.test(line));
    expect(lines).toHaveLength(2);
    expect(lines[0]).not.toContain("learning");
    expect(lines[1]).toContain(`3 steps of`);
    expect(lines[1]).toContain(`, learning from original (${whole} parameters)`);
  });
});

describe("a cache policy that the model cannot have", () => {
  const model =
    "model: {model_type: llama, vocab_size: 64, hidden_size: 16, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 64}";

  it.each([
    ["razor: {heads: [[0]]}", /lists the heads of 1 layer, but the model has 2/],
    ["razor: {heads: [[0], [3]]}", /lists head 3 of layer 1, but the model has 2 key-value heads/],
    ["h2o: {budget: [2, 3, 4]}", /budget of the cache has 3 entries, but the model has 2 layers/],
    ["snapkv: {budget: 16}", /budget of snapkv is 16 tokens, which has no room for 32 recent tokens/],
  ])("is refused by lathe plan: %s", async (policy, message) => {
    const cells = `data: {grammar: {}, sequence_len: 64}\n${model}\nevaluate: {inference: {cache: {${policy}}}, cache: {}}`;
    const { status, output, errors } = await workspace.lathe(
      "plan",
      workspace.write("cache.lathe.md", cells),
    );
    expect(status).not.toBe(0);
    expect(output + errors).toMatch(message);
  });

  const windowed = model.replace("llama", "mistral").replace(/\}$/, ", sliding_window: 16}");

  it.each([
    ["cache: {context: 17}", 64, 16],
    ["cache: {}", 17, 16],
    ["decoding: {lengths: [8], new_tokens: 9}", 8, 16],
    ["retrieval: {lengths: [17]}", 8, 16],
    ["generate: {prompts: [a], max_new_tokens: 17}", 8, 16],
    ["repetition: {lengths: [4, 17]}", 8, 16],
    ["longbench: {path: rows.jsonl, max_new_tokens: 17}", 8, 16],
  ])("is refused by lathe plan for texts beyond a window: %s", async (metric, length, window) => {
    const plan = async (cell: string, size: number) => {
      const cells = `data: {grammar: {}, sequence_len: ${size}}\n${windowed}\nevaluate: {inference: {cache: {window: {budget: 0.9}}}, ${cell}}`;
      return workspace.lathe("plan", workspace.write("window.lathe.md", cells));
    };
    const { status, output, errors } = await plan(metric, length);
    expect(status).not.toBe(0);
    expect(output + errors).toMatch(/attend only to the last 16 tokens, which cache policies do not support/);
    const shorter = await plan(metric.replaceAll("17", "16").replace("9}", "8}"), Math.min(length, window));
    expect(shorter.status, shorter.errors).toBe(0);
  });
});

describe("inference that lathe plan refuses", () => {
  const model =
    "model: {model_type: llama, vocab_size: 64, hidden_size: 16, intermediate_size: 16, num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 64}";
  const generate = "generate: {prompts: [a], max_new_tokens: 8}";

  it.each([
    [
      "a budget below the sinks",
      `evaluate: {inference: {cache: {window: {budget: 4, sinks: 4}}}, ${generate}}`,
      /budget of window is 4 tokens, which has no room/,
    ],
    [
      "exits of a model without heads",
      `evaluate: {inference: {exits: {threshold: 0.9}}, ${generate}}`,
      /The model has no exits, so inference\.exits has nothing to use\. Train some/,
    ],
    [
      "a draft from an exit that is not trained",
      `train: {exits: {layers: [1]}}\n\`\`\`\n\n\`\`\`yaml\nevaluate: {inference: {exits: {draft: 2}}, ${generate}}`,
      /inference\.exits\.draft is 2, but the model has only the exit after 1 layer/,
    ],
    [
      "a cache policy in training",
      "train: {max_steps: 1, inference: {cache: {h2o: {}}}}",
      /unknown key "inference" in train\. Training reads the keys and values of all tokens; a cache policy belongs in an evaluate cell/,
    ],
    [
      "a cache policy on a metric that reads whole texts",
      "evaluate: {inference: {cache: {h2o: {}}}, perplexity: {}}",
      /evaluate\.perplexity does not generate token by token/,
    ],
  ])("%s", async (_, cell, message) => {
    const cells = `data: {grammar: {}, sequence_len: 64}\n${model}\n${cell}`;
    const { status, output, errors } = await workspace.lathe(
      "plan",
      workspace.write("refused.lathe.md", cells),
    );
    expect(status).not.toBe(0);
    expect(output + errors).toMatch(message);
  });
});

describe("lathe schema", () => {
  it("prints a JSON schema in which every reference resolves", async () => {
    const { status, output } = await workspace.lathe("schema");
    expect(status).toBe(0);
    const schema = JSON.parse(output) as Record<string, unknown>;
    expect(schema["$schema"]).toContain("json-schema.org");
    const references = [...output.matchAll(/"\$ref": "#\/([^"]+)"/g)].map(([, path]) => path!);
    expect(references).toContain("properties/sweep");
    for (const reference of references) {
      const value = reference
        .split("/")
        .reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], schema);
      expect(value, reference).toBeTypeOf("object");
    }
  });
});
