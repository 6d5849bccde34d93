import path from "node:path";
import { describe, expect, test } from "vitest";
import { createLenses } from "../../../src/backend/language/lenses";
import { estimatePlan } from "../../../src/backend/runs/planning/estimate";
import { WorkbenchError } from "../../../src/protocol/errors";
import { measureText } from "../../../src/backend/runs/planning/textSize";
import { temporaryFolder, writeFiles } from "../data/fixtures";
import { cells, file, language } from "./editor";

const head =
  'data: {text: "*.txt", sequence_len: 16}\nmodel: {model_type: phi3, hidden_size: 64, num_attention_heads: 4, num_hidden_layers: 1, intermediate_size: 128, max_position_embeddings: 32}';
const train = "train: {max_steps: 5}";

const lenses = (...bodies: readonly string[]) =>
  createLenses(language.analyze({ file, text: cells(...bodies) }), (plan) => estimatePlan(plan, "/nowhere"));
const titles = async (...bodies: readonly string[]) =>
  (await lenses(...bodies)).map(({ line, cell, title }) => `${line}/${cell} ${title}`);
const matching = (pattern: RegExp) => expect.stringMatching(pattern) as string;

test("sizes, bytes and memory are shown over the model, work over the training", async () => {
  // 64 · (3 · 64 + 64 + 2 · 128) + 128 · 64 in matrices, three norms of 64, and 2 · 257 · 64 in embeddings.
  expect(await titles(head, train)).toEqual([
    matching(/^3\/0 41,152 non-embedding · 296\.\d\d kB · [\d.]+ MB to train$/),
    matching(/^9\/1 5 steps of 128 tokens · [\d.]+ MB · [\d.]+ MFLOP per step$/),
  ]);
  const [{ tooltip } = { tooltip: "" }] = await lenses(head, train);
  expect(tooltip).toContain("41,152 parameters without embeddings, 74,048 in all");
});

test("variants with differences have one lens each", async () => {
  const variants = "variants: {dense: {}, grouped: {model: {min_channels_per_group: 16}}, again: {}}";
  const found = await lenses(head, variants, train);
  expect(found.map(({ line, variant }) => [line, variant])).toEqual([
    [3, "dense"],
    [3, "grouped"],
    [15, "dense"],
    [15, "grouped"],
  ]);
  expect(found.slice(0, 2).map(({ title }) => title)).toEqual([
    matching(/^dense, again: 41,152 non-embedding/),
    matching(/^grouped: [\d,]+ non-embedding/),
  ]);
});

test("what all variants share is shown once, and a variant without the action shows nothing", async () => {
  expect(
    await titles(head, "variants: {a: {}, b: {train: {learning_rate: 1e-3}}, c: {train: null}}", train),
  ).toEqual([
    matching(/^3\/0 a, b: 41,152 non-embedding · 296\.\d\d kB · [\d.]+ MB to train$/),
    matching(/^3\/0 c: 41,152 non-embedding · 296\.\d\d kB$/),
    matching(/^15\/2 a, b: 5 steps/),
  ]);
});

test("the result of a method is shown over it, or the reason why it refuses", async () => {
  const compress = "compress: [{magnitude: {sparsity: 0.5}}, {magnitude: {sparsity: 0.75}}]";
  const [, over] = await titles(head, compress);
  // A quarter of 40,960, plus the norms.
  expect(over).toMatch(/^9\/1 41,152 → 10,432 non-embedding \(25\.3 %\) · 296\.\d\d kB → [\d.]+ kB$/);
  const [model, refusal] = await titles(`${head.slice(0, -1)}, min_channels_per_group: 16}`, compress);
  expect(model).toMatch(/^3\/0 [\d,]+ non-embedding/);
  expect(refusal).toMatch(/^9\/1 Magnitude pruning cannot be applied: /);
});

test("an unknown size shows the reason", async () => {
  expect(await titles(head.replace("sequence_len: 16", "sequence_len: 16, tokenizer: characters"))).toEqual([
    matching(/^3\/0 Size not known yet: With the tokenizer `characters` the vocabulary depends on the text/),
  ]);
  const [missing] = await titles("base_model: nowhere/at/all", "evaluate: {counts: {}}");
  expect(missing).toMatch(/^2\/0 Size not known yet: There is no model at /);
  expect(await titles(head, "train: {max_steps: x}")).toEqual([]);
});

test("the number of steps in an epoch depends on the text, as the tooltip explains", async () => {
  const [, over] = await lenses(head, "train: {num_train_epochs: 2}");
  expect(over).toMatchObject({
    title: matching(/^2 epochs, 128 tokens per step/),
    tooltip: expect.stringContaining("depends on the text") as string,
  });
});

test("only refusals are reasons: other failures are reported as failures", async () => {
  const understood = language.analyze({ file, text: cells(head) });
  const failing = (thrown: Error) => createLenses(understood, () => Promise.reject(thrown));
  await expect(failing(new TypeError("a slip"))).rejects.toThrow("a slip");
  await expect(failing(new WorkbenchError("cancelled", "nobody waits"))).rejects.toThrow("nobody waits");
  expect(await failing(new WorkbenchError("unsupported", "too $(bug) large"))).toMatchObject([
    { title: "Size not known yet: too $ (bug) large" },
  ]);
});

test("many different variants have one lens, which gives their range and leads to all of them", async () => {
  const widths = Array.from({ length: 12 }, (_, i) => `w${i}: {model: {intermediate_size: ${32 * (i + 1)}}}`);
  const found = await lenses(head, `variants: {${widths.join(", ")}}`, train);
  expect(found.map(({ line, title }) => `${line} ${title}`)).toEqual([
    matching(/^3 12 variants: 22,720 – 90,304 non-embedding$/),
    matching(/^15 12 variants: [\d.]+ MFLOP – [\d.]+ MFLOP per step$/),
  ]);
  const [{ variants, tooltip } = { variants: [], tooltip: "" }] = found;
  expect(variants).toEqual(Array.from({ length: 12 }, (_, i) => `w${i}`));
  expect(tooltip.split("\n")[3]).toMatch(/^w3: 41,152 non-embedding/);
});

test("many equal variants are not all named", async () => {
  const rates = Array.from({ length: 6 }, (_, i) => `r${i}: {train: {learning_rate: ${i + 1}e-3}}`);
  const found = await titles(
    head,
    `variants: {${rates.join(", ")}, wide: {model: {intermediate_size: 256}}}`,
    train,
  );
  expect(found[0]).toMatch(/^3\/0 r0, r1 and 4 more: 41,152 non-embedding/);
});

describe("the lens of the data", () => {
  const folder = temporaryFolder();
  const dataLens = async (data: string) => {
    const document = { file: path.join(folder, "x.lathe.md"), text: cells(data, modelCell, train) };
    const [lens] = await createLenses(
      language.analyze(document),
      (plan) => estimatePlan(plan, folder),
      (plan) => measureText(plan, folder),
    );
    return lens!;
  };
  const modelCell = head.split("\n")[1]!;

  test("names files, bytes and tokens, and reports when that is too little for the model", async () => {
    await writeFiles(folder, { "a.txt": "x".repeat(3000), "b.txt": "x".repeat(1000), "c.lathe.md": "x" });
    const lens = await dataLens('data: {text: ["**/*.txt"], tokenizer: bytes, sequence_len: 16}');
    expect(lens).toMatchObject({ line: 2, cell: 0 });
    expect(lens.title).toBe("2 files · 4.00 kB · 4,000 tokens · 0.049 per parameter: too little text");
    expect(lens.tooltip).toContain("3,600 tokens for training");
    expect(lens.tooltip).toContain("a.txt\nb.txt");
  });

  test("contains no more than what is known", async () => {
    await writeFiles(folder, { "a.jsonl": '{"text": "x"}\n' });
    expect((await dataLens("data: {text: a.jsonl, tokenizer: bytes, sequence_len: 16}")).title).toBe(
      "1 file · 14 B",
    );
    const grammar = await dataLens("data: {grammar: {length: 500000}, tokenizer: bytes, sequence_len: 16}");
    expect(grammar.title).toBe("grammar · 500.00 kB · 500,000 tokens");
    const passkeys = await dataLens(
      "data: {passkeys: {documents: 40000, length: 16, pairs: 1, questions: 1}, packing: false, tokenizer: bytes, sequence_len: 16}",
    );
    expect(passkeys.title).toBe("passkeys · 640.00 kB · 640,000 tokens");
    expect((await dataLens("data: {text: none.txt, tokenizer: bytes, sequence_len: 16}")).title).toBe(
      "no file matches",
    );
    expect(
      (await dataLens("data: {dataset: tinystories, tokenizer: bytes, sequence_len: 16}")).title,
    ).toMatch(/non-embedding/);
  });
});
