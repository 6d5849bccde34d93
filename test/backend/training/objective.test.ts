/**
 * The objective of an encoder: tokens are masked like by transformers' data collator, and the same ones when a run is
 * resumed.
 */
import { expect, it } from "vitest";
import { type Batch, IGNORED } from "../../../src/backend/data/split";
import { createPrepare, prepareBatches } from "../../../src/backend/training/objective";
import { createRandomStream } from "../../../src/backend/representations/randomStream";
import { createTinyShape } from "../../support/subject";

const [rows, length, vocabulary] = [64, 128, 1000];
const maskToken = 999;
const encoder = createTinyShape("bert", { vocab_size: vocabulary, mask_token_id: maskToken });
const random = createRandomStream("tokens", 3);
const tokens = Int32Array.from({ length: rows * length }, () => Math.floor(random() * (vocabulary - 1)));
const batch: Batch = { rows, length, tokens, labels: tokens.slice() };
const streams = (name: string) => (row: number) => createRandomStream(`${name} ${row}`, 5);

it("selects 15 % of the tokens: 80 % of these become the mask, 10 % another token, and 10 % stay", () => {
  const prepared = createPrepare(encoder, undefined)!(batch, streams("step 1"));
  const chosen = [...prepared.labels.keys()].filter((at) => prepared.labels[at] !== IGNORED);
  expect(chosen.length / tokens.length).toBeCloseTo(0.15, 1);
  for (const at of chosen) expect(prepared.labels[at]).toBe(tokens[at]);
  for (const [at, token] of prepared.tokens.entries())
    if (prepared.labels[at] === IGNORED) expect(token).toBe(tokens[at]);
  const share = (is: (at: number) => boolean) => chosen.filter(is).length / chosen.length;
  expect(share((at) => prepared.tokens[at] === maskToken)).toBeCloseTo(0.8, 1);
  expect(share((at) => prepared.tokens[at] === tokens[at])).toBeCloseTo(0.1, 1);
  expect(Math.abs(share((at) => prepared.tokens[at] === maskToken) - 0.8)).toBeLessThan(0.04);
});

it("draws the same tokens for the same step, and different ones for another", () => {
  const prepare = createPrepare(encoder, undefined)!;
  const [once, again, other] = ["step 1", "step 1", "step 2"].map((name) => prepare(batch, streams(name)));
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});

it("does not mask padding, or rows that only fill a batch", () => {
  const prepare = createPrepare(encoder, undefined, 1)!;
  const segments = Int32Array.from({ length: rows * length }, (_, at) => Number(at % length < 3));
  const padded = prepare({ ...batch, segments }, streams("a"));
  expect([...padded.labels].filter((label) => label !== IGNORED)).toHaveLength(3 * rows);
  const filler = prepare({ ...batch, labels: new Int32Array(rows * length).fill(IGNORED) }, streams("a"));
  expect(filler.tokens).toEqual(tokens);
});

it("masks the same tokens of an evaluation for any batch size", () => {
  const half = (from: number) => ({
    rows: rows / 2,
    length,
    tokens: tokens.subarray((from * tokens.length) / 2, ((from + 1) * tokens.length) / 2),
    labels: batch.labels.subarray(0, tokens.length / 2),
  });
  const prepare = createPrepare(encoder, undefined);
  const [whole] = prepareBatches([batch], prepare);
  const halves = [...prepareBatches([half(0), half(1)], prepare)];
  expect(halves.flatMap((each) => [...each.labels])).toEqual([...whole!.labels]);
});

it("puts the class of a text at its first token, which an encoder classifies", () => {
  const classifier = createTinyShape("bert", { num_labels: 3 });
  const labels = Int32Array.of(IGNORED, IGNORED, 2, IGNORED, IGNORED, 1, IGNORED, IGNORED);
  const texts = { rows: 2, length: 4, tokens: new Int32Array(8), labels };
  const moved = createPrepare(classifier, undefined)!(texts, streams("a"));
  expect([...moved.labels]).toEqual([
    2,
    ...Array<number>(3).fill(IGNORED),
    1,
    ...Array<number>(3).fill(IGNORED),
  ]);
});

it("does not change the batches of a causal model, and refuses options for encoders", () => {
  const causal = createTinyShape("gpt2");
  expect(createPrepare(causal, undefined)).toBeUndefined();
  expect(() => createPrepare(causal, undefined, 0.15)).toThrow(/mlm_probability applies only to/);
  expect(() => createPrepare(createTinyShape("bert", { mask_token_id: undefined }), undefined)).toThrow(
    /has no mask token/,
  );
});
