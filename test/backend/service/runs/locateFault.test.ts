import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadPlans } from "../../../../src/backend/runs/planning/loadPlans";
import { checkPlans } from "../../../../src/backend/runs/planning/checkPlan";
import { schemaCatalog } from "../../../../src/backend/schemaCatalog";
import { locateFault } from "../../../../src/backend/service/runs/locateFault";
import { toWorkbenchError } from "../../../../src/protocol/errors";
import { temporaryFolder } from "../../data/fixtures";

const data = "data: {text: ['*.txt'], tokenizer: bytes, sequence_len: 16}";
const model =
  "model: {model_type: phi3, hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 1, intermediate_size: 128, max_position_embeddings: 32}";
const train = "train: {max_steps: 1}";

/** The line of the fault that a start of these cells reports, or its message where it has none. */
async function faultyLine(...cells: readonly string[]): Promise<number | string> {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".lathe"));
  writeFileSync(join(folder, "a.txt"), "text ".repeat(1000));
  const file = join(folder, "x.lathe.md");
  writeFileSync(file, cells.map((cell) => `\`\`\`yaml\n${cell}\n\`\`\`\n`).join(""));
  const { plans, workspace, experiment } = await loadPlans(file, {}, schemaCatalog);
  try {
    await checkPlans(plans, workspace);
  } catch (thrown) {
    const { details, message } = toWorkbenchError(locateFault(thrown, experiment));
    return details.position?.line ?? message;
  }
  return "no fault";
}

test("text that is missing is a fault of the data", async () => {
  expect(await faultyLine(data.replace("*.txt", "*.none"), model, train)).toBe(2);
});

test("an action that the model does not allow is a fault of its own cell, whatever the variant", async () => {
  const compress = "compress: {magnitude: {sparsity: 0.5}}";
  const variants = "variants: {a: {}, b: {model: {min_channels_per_group: 16}}}";
  expect(await faultyLine(data, model, variants, train, compress, train)).toBe(14);
});

test("nothing is wrong with these cells", async () => {
  expect(await faultyLine(data, model, train)).toBe("no fault");
});

test("a vocabulary that the model states is taken for a long text, of which the tokenizer is not known yet", async () => {
  const long = "data: {grammar: {length: 5000000}, tokenizer: characters, sequence_len: 16}";
  expect(await faultyLine(long, model.replace("{", "{vocab_size: 32, "), train)).toBe("no fault");
});

test("passkeys and retrieval that are impossible are faults of the cells that ask for them", async () => {
  const passkeys = "{documents: 20, length: 30, pairs: 2, questions: 2}";
  const drawn = `data: {passkeys: ${passkeys}, packing: false, tokenizer: bytes, sequence_len: 32}`;
  const change = (questions: number) =>
    `train: {max_steps: 1, data: {passkeys: {documents: 20, length: 30, pairs: 2, questions: ${questions}}}}`;
  const evaluate = (options: string) => `evaluate: {retrieval: {pairs: 2, lengths: [${options}]}}`;
  expect(await faultyLine(drawn, model, train, change(4), evaluate("20, 32"))).toBe("no fault");
  expect(await faultyLine(drawn.replace("length: 30", "length: 19"), model, train)).toBe(2);
  expect(await faultyLine(drawn, model, train, change(5))).toBe(11);
  expect(await faultyLine(drawn, model, train, evaluate("33"))).toBe(11);
  expect(await faultyLine(drawn, model, train, evaluate("14"))).toBe(11);
});
