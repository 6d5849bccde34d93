/** Checks which tokens a loss counts against the losses of single tokens and of separate documents. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DataSet } from "../../../src/backend/data/dataSet";
import { type Batch, IGNORED } from "../../../src/backend/data/split";
import type { Engine, Tensors } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { evaluateLoss } from "../../../src/backend/training/evaluateLoss";
import { feedBatch, uploadAll, uploadScalar } from "../../../src/backend/training/feeds";
import { createTrainee } from "../../../src/backend/training/trainee";
import { buildEvaluation, inverseCountName } from "../../../src/backend/training/trainStep";
import { recipes } from "../../../src/schema/recipe";
import { createTinyShape, drawWeights } from "../../support/tinyModels";
import { openTinyData } from "../../support/tinyRun";

const length = 64;
const shape = createTinyShape("phi3", { vocab_size: 257, max_position_embeddings: length });
const rows = Array.from({ length: 30 }, (_, i) => ({
  instruction: "What is it that you see?".slice(0, 3 + (i % 8)),
  response: "A house, a tree and a dog.".slice(0, 4 + ((i * 5) % 20)),
}));
const template = "{instruction}|{response}.";

let engine: Engine;
let weights: Tensors;
beforeAll(async () => {
  engine = await openEngine("cpu", { threads: 1 });
  // Far enough from uniform that every token has a different loss.
  const drawn = [...drawWeights(shape)].map(([name, { shape: size, data }]) => {
    return [name, { shape: size, data: (data as Float32Array).map((each) => 8 * each) }] as const;
  });
  weights = uploadAll(engine, new Map(drawn));
});
afterAll(() => engine[Symbol.asyncDispose]());

const open = (recipe: "paper" | "fixed", more: Readonly<Record<string, unknown>> = {}): Promise<DataSet> =>
  openTinyData({
    ...recipes[recipe].data,
    ...{ rows, template, tokenizer: "bytes", sequence_len: length, val_set_size: undefined, val_fraction: 0 },
    ...more,
  });

async function evaluation({ segments, positions, rows: count }: Batch) {
  const batch = { rows: count, length, segments: segments !== undefined, positions: positions !== undefined };
  return engine.compile(buildEvaluation(createTrainee(shape), batch));
}

/** Loss of each token that counts, 0 elsewhere; and the loss of all, as training reports it. */
async function losses(batch: Batch): Promise<{ each: Float32Array; mean: number }> {
  await using program = await evaluation(batch);
  const outputs = await program.run({
    ...weights,
    ...feedBatch(engine, batch),
    [inverseCountName]: uploadScalar(engine, 1),
  });
  const each = (await outputs.per_token!.read()).slice() as Float32Array;
  const { loss } = await evaluateLoss(engine, program, weights, [batch]);
  return { each, mean: loss };
}

const mean = (numbers: readonly number[]) => numbers.reduce((sum, each) => sum + each, 0) / numbers.length;

it("with labels only on the response, the loss is the mean of the token losses over the response", async () => {
  using all = await open("fixed", { train_on_inputs: true });
  using responses = await open("fixed");
  const full = all.train.batch([0]);
  const part = responses.train.batch([0]);
  expect(part.tokens).toEqual(full.tokens);
  const { each } = await losses(full);
  // From the text alone: the tokens from a bar through the end marker. The row begins with a whole document.
  const counted: number[] = [];
  let inResponse = false;
  full.tokens.forEach((token, at) => {
    if (token === "|".charCodeAt(0)) inResponse = true;
    if (token === 256) inResponse = false;
    if (inResponse) counted.push(each[at]!);
  });
  expect(counted.length).toBeGreaterThan(20);
  expect((await losses(part)).mean).toBeCloseTo(mean(counted), 5);
  expect(Math.abs((await losses(full)).mean - mean(counted))).toBeGreaterThan(0.01);
});

it("labels on padding count as in the published recipe, and otherwise not at all", async () => {
  using counted = await open("paper", { characters_per_token: 0.6 });
  using silent = await open("paper", { characters_per_token: 0.6, train_on_padding: false });
  const [padded, plain] = [counted.train.batch([0]), silent.train.batch([0])];
  const pads = [...padded.labels].flatMap((label, i) => (label !== plain.labels[i] ? [i] : []));
  expect(pads.length).toBeGreaterThan(5);
  expect(pads.every((at) => padded.labels[at] === 256)).toBe(true);
  const { each, mean: all } = await losses(padded);
  const used = [...each.keys()].filter((at) => padded.labels[at] !== IGNORED);
  expect(used.length).toBe(length - 1);
  expect(all).toBeCloseTo(mean(used.map((at) => each[at]!)), 5);
  const text = used.filter((at) => !pads.includes(at));
  expect((await losses(plain)).mean).toBeCloseTo(mean(text.map((at) => each[at]!)), 5);
});

it("masked documents of a packed row have the same losses as separately", async () => {
  using packed = await open("fixed", { train_on_inputs: true });
  using alone = await open("fixed", { train_on_inputs: true, packing: false, document_mask: false });
  const row = packed.train.batch([0]);
  const { each } = await losses(row);
  const documents = Math.max(...row.segments!) - 1; // The last one continues in the next row.
  expect(documents).toBeGreaterThan(1);
  for (let document = 0; document < documents; document++) {
    const single = await losses(alone.train.batch([document]));
    const inRow = [...each].filter(
      (_, at) => row.segments![at] === document + 1 && row.labels[at] !== IGNORED,
    );
    expect(inRow.length).toBeGreaterThan(5);
    expect([...single.each].slice(0, inRow.length)).toEqual(
      inRow.map((loss): unknown => expect.closeTo(loss, 4)),
    );
  }
});

it("the mean over sequences is the mean of their separate losses, without padding rows", async () => {
  using data = await open("fixed", { packing: false, document_mask: false });
  const split = data.train;
  const singles: number[] = [];
  const labels: number[] = [];
  for (let i = 0; i < split.sequences; i++) {
    const batch = split.batch([i]);
    singles.push((await losses(batch)).mean);
    labels.push([...batch.labels].filter((label) => label !== IGNORED).length);
  }
  await using program = await evaluation(split.batch([0, 1, 2, 3]));
  const found = async (average: "tokens" | "sequences") =>
    (await evaluateLoss(engine, program, weights, split.batches(4), average)).loss;
  expect(split.sequences % 4).not.toBe(0);
  expect(await found("sequences")).toBeCloseTo(mean(singles), 5);
  const all = labels.reduce((sum, count) => sum + count, 0);
  const weighed = singles.reduce((sum, loss, i) => sum + loss * labels[i]!, 0) / all;
  expect(await found("tokens")).toBeCloseTo(weighed, 5);
  expect(Math.abs(weighed - mean(singles))).toBeGreaterThan(1e-3);
});
