import { beforeAll, describe, expect, it } from "vitest";
import type { Subject } from "../../../src/backend/evaluation/metric";
import perplexity from "../../../src/backend/evaluation/perplexity";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { forward, parametersOf } from "../../../src/backend/models/model";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinySubject } from "../../support/subject";
import { createLookup, createValues } from "../../support/tensors";

const grammar = useGrammar();
let subject: Subject;

beforeAll(() => {
  subject = createTinySubject("llama", grammar.data);
});

const measure = async (options: Record<string, unknown>, on: Subject = subject) =>
  (await perplexity.evaluate(on, perplexity.options.parse(options), createQuietLab(grammar.engine))).details;

/** -log p of the token at `place` of a window, by the plain evaluator. */
function nats(window: Int32Array): number[] {
  const { shape, tensors } = subject;
  const values = createValues(parametersOf(shape));
  const logits = forward(shape, createLookup(values), {
    tokens: input("tokens", [1, window.length], "int32"),
  });
  const feeds = Object.fromEntries([...tensors].map(([name, { data: numbers }]) => [name, numbers]));
  const all = evaluateGraph({ outputs: { logits } }, { ...feeds, tokens: window })["logits"]!;
  const vocabulary = logits.type.shape[1]!;
  return Array.from(window.subarray(1), (id, i) => {
    const row = all.subarray(i * vocabulary, (i + 1) * vocabulary);
    return Math.log(row.reduce((total, each) => total + Math.exp(each), 0)) - row[id]!;
  });
}

/** The loop of the guide: consecutive windows, without the tokens that are already scored. */
function reference(ids: Int32Array, context: number, stride: number): { loss: number; scored: number } {
  let total = 0;
  let scored = 0;
  let previous = 0;
  for (let begin = 0; begin < ids.length; begin += stride) {
    const end = Math.min(begin + context, ids.length);
    const fresh = nats(ids.subarray(begin, end)).slice(-(end - previous));
    total += fresh.reduce((a, b) => a + b, 0);
    scored += fresh.length;
    previous = end;
    if (end === ids.length) break;
  }
  return { loss: total / scored, scored };
}

describe("perplexity", () => {
  it.each([
    [8, 8],
    [8, 4],
    [8, 1],
    [6, 5],
    [16, 3],
  ])("agrees with the plain evaluator at context %i and stride %i", async (context, stride) => {
    const ids = grammar.data.validation!.read(0, 40);
    const wanted = reference(ids, context, stride);
    const found = await measure({ context, stride, max_tokens: 40, batch_size: 3 });
    expect(found.protocol.scored_tokens).toBe(wanted.scored);
    expect(Math.abs(found.loss - wanted.loss) / wanted.loss).toBeLessThan(1e-5);
    expect(found.perplexity).toBe(Math.exp(found.loss));
  });

  it("scores every token except the first once, or except one per window if windows do not overlap", async () => {
    const { tokens } = grammar.data.validation!;
    expect((await measure({ context: 8, stride: 3 })).protocol.scored_tokens).toBe(tokens - 1);
    expect((await measure({ context: 8, stride: 8 })).protocol.scored_tokens).toBe(
      tokens - Math.ceil(tokens / 8),
    );
  });

  it("gives the same value for every batch size", async () => {
    const losses = await Promise.all([1, 2, 7].map((batch_size) => measure({ stride: 3, batch_size })));
    for (const { loss } of losses) expect(Math.abs(loss - losses[0]!.loss)).toBeLessThan(1e-6);
  });

  it("reads a text shorter than the context as one window", async () => {
    const found = await measure({ context: 16, stride: 16, max_tokens: 5 });
    expect(found.protocol.scored_tokens).toBe(4);
    expect(Math.abs(found.loss - reference(grammar.data.validation!.read(0, 5), 16, 16).loss)).toBeLessThan(
      1e-5,
    );
  });

  it("relates values per token, word and byte by the reported counts", async () => {
    const { protocol, loss, word_perplexity, bits_per_byte } = await measure({ line_ends_as_words: true });
    const nats = loss * (protocol.tokens - 1);
    expect(protocol.bytes).toBe(grammar.data.validation!.counts.bytes);
    expect(protocol.words).toBe(
      grammar.data.validation!.counts.words + grammar.data.validation!.counts.lines,
    );
    expect(word_perplexity).toBeCloseTo(Math.exp(nats / protocol.words), 6);
    expect(bits_per_byte).toBeCloseTo(nats / protocol.bytes / Math.LN2, 9);
  });

  it("reports its protocol in one line, with a hash that depends only on the text", async () => {
    const options = perplexity.options.parse({ max_tokens: 30 });
    const { lines, details } = await perplexity.evaluate(subject, options, createQuietLab(grammar.engine));
    expect(lines[1]).toMatch(
      /^grammar, validation split \(ids [0-9a-f]{12}\), context 8, stride 4, tokenizer characters, 29 of 30 tokens scored, \d+ words, \d+ bytes$/,
    );
    expect((await measure({ max_tokens: 30, stride: 2 })).protocol.hash).toBe(details.protocol.hash);
    expect((await measure({ max_tokens: 29 })).protocol.hash).not.toBe(details.protocol.hash);
  });

  it.each([
    [{ context: 8, stride: 9 }, /at most 8/],
    [{ context: 17 }, /longer than the model's 16 positions/],
    [{ split: "test" }, /no test split, only train and validation/],
  ])("refuses %j", async (options, message) => {
    await expect(measure(options)).rejects.toThrow(message);
  });

  it("reports missing text and broken weights", async () => {
    await expect(measure({}, { ...subject, data: undefined })).rejects.toThrow(/no text to evaluate on/);
    const tensors = new Map(subject.tensors);
    tensors.set("model.norm.weight", { shape: [16], data: new Float32Array(16).fill(NaN) });
    await expect(measure({}, { ...subject, tensors })).rejects.toThrow(/not a number from token 1 on/);
  });

  it("stops on request", async () => {
    const lab = createQuietLab(grammar.engine, AbortSignal.abort());
    const stopped = perplexity.evaluate(subject, perplexity.options.parse({}), lab);
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
  });
});
