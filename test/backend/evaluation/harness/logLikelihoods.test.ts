/** Which continuations a model would generate: compared with the plain evaluation of the graph. */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Engine } from "../../../../src/backend/engine/engine";
import { openEngine } from "../../../../src/backend/engine/open";
import { scoreContinuations } from "../../../../src/backend/evaluation/harness/logLikelihoods";
import type { Subject } from "../../../../src/backend/evaluation/metric";
import { testDevice } from "../../../support/device";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../../support/subject";

let engine: Engine;
let subject: Subject;
const vocabulary = 12;
beforeAll(async () => {
  engine = await openEngine(testDevice, { threads: 1 });
  const shape = createTinyShape("llama", { vocab_size: vocabulary });
  subject = { shape, tensors: drawModelTensors(shape, 5) };
});
afterAll(() => engine[Symbol.asyncDispose]());

const context = [3, 1, 4, 1, 5, 9, 2, 6];
const range = Array.from({ length: vocabulary }, (_, id) => id);
const score = (continuations: readonly (readonly number[])[], on = subject, batchSize = 16) =>
  scoreContinuations(
    on,
    continuations.map((continuation) => ({ context, continuation })),
    { maxLength: 16, batchSize },
    createQuietLab(engine),
    () => undefined,
  );

it("finds the one most likely token of all, step by step, and the probabilities sum to one", async () => {
  const greedy: number[] = [];
  let total = 0;
  for (let step = 0; step < 3; step++) {
    const scores = await score(range.map((id) => [...greedy, id]));
    const best = range.filter((id) => scores[id]!.isGreedy);
    expect(best).toHaveLength(1);
    const values = scores.map(({ value }) => value);
    expect(values[best[0]!]).toBe(Math.max(...values));
    expect(values.reduce((sum, value) => sum + Math.exp(value - total), 0)).toBeCloseTo(1, 5);
    total = values[best[0]!]!;
    greedy.push(best[0]!);
  }
  const others = [
    greedy,
    [...greedy.slice(0, 2), (greedy[2]! + 1) % vocabulary],
    [(greedy[0]! + 1) % vocabulary, ...greedy.slice(1)],
  ];
  expect((await score(others)).map(({ isGreedy }) => isGreedy)).toEqual([true, false, false]);
});

it("gives answers of any length and number the values that they have alone", async () => {
  const answers = [[1], [2, 3, 4, 5, 6, 7], [2], [11, 0], [2, 3, 4, 9]];
  const together = await score(answers);
  for (const [i, answer] of answers.entries()) {
    const [alone] = await score([answer], subject, 1);
    expect(together[i]!.value).toBeCloseTo(alone!.value, 5);
    expect(together[i]!.tokens).toBe(answer.length);
  }
});

it("prefers the first of equally likely tokens, as argmax does", async () => {
  const tensors = new Map(
    [...subject.tensors].map(([name, tensor]) => [
      name,
      { ...tensor, data: new Float32Array(tensor.data.length) },
    ]),
  );
  const scores = await score(
    range.map((id) => [id]),
    { ...subject, tensors },
  );
  expect(scores.map(({ isGreedy }) => isGreedy)).toEqual(range.map((id) => id === 0));
});

it("refuses a continuation that is longer than what the model reads", async () => {
  await expect(score([Array.from({ length: 17 }, () => 1)])).rejects.toThrow(
    /has 17 tokens, but the model reads 16/,
  );
});
