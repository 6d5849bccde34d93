/** Probabilities of given tokens: compared with the softmax of plainly evaluated logits, with lm-eval's log-likelihoods and with the generator. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import type { Engine } from "../../../src/backend/engine/engine";
import { openEngine } from "../../../src/backend/engine/open";
import { continuePrompts, type GenerationOptions } from "../../../src/backend/evaluation/generation";
import { scoreContinuations } from "../../../src/backend/evaluation/harness/logLikelihoods";
import { scoreTokens } from "../../../src/backend/evaluation/scoreTokens";
import { splitPieces } from "../../../src/backend/evaluation/tokenPieces";
import type { Subject } from "../../../src/backend/evaluation/metric";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { createValue, dimensionsOf, forward, parametersOf } from "../../../src/backend/models/model";
import { testDevice } from "../../support/device";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";

let engine: Engine;
beforeAll(async () => (engine = await openEngine(testDevice, { threads: 1 })));
afterAll(() => engine[Symbol.asyncDispose]());

const vocabulary = 12;
function createSubject(family: string, seed = 5): Subject {
  const shape = createTinyShape(family, { vocab_size: vocabulary });
  return { shape, tensors: drawModelTensors(shape, seed) };
}
const context = [3, 1, 4, 1, 5];
const ids = [9, 2, 6, 5, 3, 5];

/** ln softmax(logits)[id] in double precision, by one full pass without a label. */
function computePlainly({ shape, tensors }: Subject): number[] {
  const all = [...context, ...ids];
  const values = new Map(parametersOf(shape).map((spec) => [spec.name, createValue(spec)]));
  const logits = forward(shape, (name) => values.get(name)!, {
    tokens: input("tokens", [1, all.length], "int32"),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, Array.from(data)]));
  const numbers = evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: all })["logits"]!;
  return ids.map((id, i) => {
    const row = numbers.subarray((context.length + i - 1) * vocabulary).subarray(0, vocabulary);
    const total = row.reduce((sum, each) => sum + Math.exp(each), 0);
    return row[id]! - Math.log(total);
  });
}

describe("scoreTokens", () => {
  it.each(["gpt2", "llama", "gemma2"])(
    "gives each token the logarithm of its softmax in %s",
    async (family) => {
      const subject = createSubject(family);
      const scores = await scoreTokens(subject, { context, ids }, createQuietLab(engine));
      const plain = computePlainly(subject);
      expect(scores).toHaveLength(ids.length);
      scores.forEach((score, i) => expect(score).toBeCloseTo(plain[i]!, 4));
      // Another model finds the same tokens otherwise likely.
      const others = await scoreTokens(createSubject(family, 6), { context, ids }, createQuietLab(engine));
      expect(Math.abs(others[0]! - scores[0]!)).toBeGreaterThan(1e-3);
    },
  );

  it("sums to the log-likelihood of lm-evaluation-harness's requests", async () => {
    const subject = createSubject("llama");
    const lab = createQuietLab(engine);
    const pairs = ids.map((_, i) => ({ context, continuation: ids.slice(0, i + 1) }));
    const options = { maxLength: 16, batchSize: 4 };
    const sums = await scoreContinuations(subject, pairs, options, lab, () => undefined);
    const scores = await scoreTokens(subject, { context, ids }, lab);
    let sum = 0;
    scores.forEach((score, i) => {
      sum += score!;
      expect(sum).toBeCloseTo(sums[i]!.value, 4);
    });
  });

  it("leaves out tokens that have more before them than the model reads", async () => {
    const subject = createSubject("gpt2");
    const { context: longest } = dimensionsOf(subject.shape);
    const long = Array.from({ length: longest + 3 }, (_, i) => (i * 5) % vocabulary);
    const scores = await scoreTokens(subject, { context, ids: long }, createQuietLab(engine));
    const known = longest - context.length + 1;
    expect(scores.map((score) => score === null)).toEqual(long.map((_, i) => i >= known));
    const short = await scoreTokens(subject, { context, ids: long.slice(0, known) }, createQuietLab(engine));
    expect(scores.slice(0, known)).toEqual(short);
    expect(await scoreTokens(subject, { context: long, ids: [1, 2] }, createQuietLab(engine))).toEqual([
      null,
      null,
    ]);
  });

  it("refuses a token without a row, and a text without a beginning", async () => {
    const subject = createSubject("llama");
    const lab = createQuietLab(engine);
    await expect(scoreTokens(subject, { context, ids: [vocabulary] }, lab)).rejects.toThrow(
      "The text has the token 12, but the model has only 12 tokens (ids 0 to 11).",
    );
    await expect(scoreTokens(subject, { context: [], ids }, lab)).rejects.toThrow(/no token before/);
  });

  it("refuses weights that are not numbers", async () => {
    const { shape, tensors } = createSubject("llama");
    const broken = new Map(
      [...tensors].map(([name, { shape: size, data }]) => [
        name,
        { shape: size, data: new Float32Array(data.length).fill(NaN) },
      ]),
    );
    await expect(
      scoreTokens({ shape, tensors: broken }, { context, ids }, createQuietLab(engine)),
    ).rejects.toMatchObject({ code: "diverged" });
  });

  it("finds every token of a greedy answer the most likely one of all", async () => {
    const tokenizer = createBytesTokenizer();
    const shape = createTinyShape("llama", { vocab_size: tokenizer.vocabSize });
    const subject = { shape, tensors: drawModelTensors(shape, 3), tokenizer };
    const seen: number[] = [];
    const options: GenerationOptions = {
      max_new_tokens: 3,
      do_sample: false,
      temperature: 1,
      top_k: 0,
      top_p: 1,
      repetition_penalty: 1,
      stop: [],
      stop_token_ids: [],
      use_cache: true,
      add_special_tokens: true,
      seed: 1,
    };
    const [answer] = await continuePrompts(subject, ["abc"], options, createQuietLab(engine), {
      onToken: (_, id) => seen.push(id),
    });
    expect(seen).toEqual(answer!.ids);
    const before = [...(await tokenizer.encode("abc"))];
    const scores = await scoreTokens(subject, { context: before, ids: answer!.ids }, createQuietLab(engine));
    for (const [i, score] of scores.entries())
      for (const other of [0, 200]) {
        const tried = { context: [...before, ...answer!.ids.slice(0, i)], ids: [other] };
        const [alternative] = await scoreTokens(subject, tried, createQuietLab(engine));
        expect(alternative!).toBeLessThanOrEqual(score! + 1e-5);
      }
  });
});

describe("splitPieces", () => {
  const tokenizer = createBytesTokenizer();
  const bytes = (text: string) => [...Buffer.from(text)];

  it("gives a character of several tokens to the last of them", () => {
    const pieces = splitPieces(tokenizer, { context: bytes("a"), ids: bytes("é€b") });
    expect(pieces).toEqual(["", "é", "", "", "€", "b"]);
  });

  it("joins to the text, also if it ends within a character", () => {
    const answer = bytes("x€").slice(0, 3);
    const pieces = splitPieces(tokenizer, { context: bytes("a"), ids: answer });
    expect(pieces.join("")).toBe(tokenizer.decode([...bytes("a"), ...answer]).slice(1));
    expect(pieces[0]).toBe("x");
    expect(pieces[2]).toContain("\uFFFD");
  });
});
