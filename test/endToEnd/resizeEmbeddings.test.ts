/** A model gets embedding rows for a larger tokenizer, trains with them, and is saved with its new size. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { createByteTokenizerJson } from "../support/byteTokenizer";
import { realWorkspace, tensorsOf, useRealLathe } from "./realLathe";

useRealLathe();

const tokenizer = createByteTokenizerJson("<|endoftext|>", "[A]", "[B]");

it(
  "a token without a row is refused with the name of the option that adds rows",
  { timeout: 120_000 },
  async () => {
    const workspace = realWorkspace();
    const text = Array.from({ length: 60 }, (_, i) => `Line ${i} [A] adds [B] ${(i * i) % 97}.\n`).join("");
    writeFileSync(join(workspace.path, "text.txt"), text);
    writeFileSync(join(workspace.path, "tokenizer.json"), tokenizer);
    const train = "train: {max_steps: 4, per_device_train_batch_size: 2, learning_rate: 1e-3}";
    const small = workspace.write(
      "small.lathe.md",
      `data: {text: text.txt, tokenizer: bytes, sequence_len: 16}
model: {model_type: llama, hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2, tie_word_embeddings: false}
${train}`,
    );
    const base = await workspace.run(small, "--device", "cpu");
    const larger = (options: string) =>
      workspace.write(
        "large.lathe.md",
        `data: {text: text.txt, tokenizer: tokenizer.json, sequence_len: 16}
base_model: {id: ${JSON.stringify(base)}${options}}
${train}`,
      );
    const { status, errors } = await workspace.lathe("run", larger(""), "--device", "cpu");
    expect(status).not.toBe(0);
    expect(errors).toMatch(/\[A\] \(id 257\) occurs in .*only 257 rows.*resize_embeddings: true/s);
    const file = larger(", resize_embeddings: true");
    const plan = await workspace.lathe("plan", file, "--json");
    expect(plan.output).toMatch(/"vocab_size": ?259/);
    const run = await workspace.run(file, "--device", "cpu");
    expect(readFileSync(join(run, "log.txt"), "utf8")).toContain("resized from 257 to 259 rows");
    const [checkpoint] = [...tensorsOf(run).keys()].slice(-1);
    const config = join(run, checkpoint!, "..", "config.json");
    expect(JSON.parse(readFileSync(config, "utf8"))).toMatchObject({ vocab_size: 259 });
  },
);
