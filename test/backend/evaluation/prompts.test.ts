/** Prompt policies: exact budgets, order and question kept, and scores by plain computations. */
import { describe, expect, it } from "vitest";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import generate from "../../../src/backend/evaluation/generate";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import { promptPolicies } from "../../../src/backend/evaluation/prompts/catalog";
import { embedTexts } from "../../../src/backend/evaluation/prompts/embedding";
import { measureInformation } from "../../../src/backend/evaluation/prompts/information";
import { splitSentences } from "../../../src/backend/evaluation/prompts/semantic";
import { shortenPrompt, splitWords } from "../../../src/backend/evaluation/prompts/shorten";
import retrieval from "../../../src/backend/evaluation/retrieval";
import { scoreTokens } from "../../../src/backend/evaluation/scoreTokens";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";

const grammar = useGrammar();
const lab = () => createQuietLab(grammar.engine);
const tokenizer = createBytesTokenizer();
const shape = createTinyShape("llama", { vocab_size: tokenizer.vocabSize, max_position_embeddings: 64 });
const reader = { shape, tensors: drawModelTensors(shape, 3), tokenizer };

const choose = (name: string, values: object) => {
  const policy = promptPolicies[name]!;
  return { name, policy, options: policy.options.parse(values) as { budget: number } };
};
const shorten = (text: string, name: string, values: object, index = 0) =>
  shortenPrompt(text, choose(name, values), reader, lab(), index);

const text = "one two, three four five.\nsix seven eight nine";
const question = "\nWhat is two?";

const cases = Object.keys(promptPolicies).map((name) => ({ name }));

describe("every prompt policy", () => {
  it.each(cases)("changes nothing with a budget of 1: $name", async ({ name }) => {
    expect(await shorten(text + question, name, { budget: 1 })).toBe(text + question);
  });

  it.each(cases)("reads the question whole, also where it is more than a line: $name", async ({ name }) => {
    const kept = `\nfour${question}`;
    const chosen = choose(name, { budget: 0.5 });
    const left = await shortenPrompt(`one two three${kept}`, chosen, reader, lab(), 0, kept.length);
    expect(left.endsWith(kept)).toBe(true);
    expect(left.slice(0, -kept.length)).not.toBe("one two three");
  });

  it.each(cases)("is refused for conversations: $name", async ({ name }) => {
    const { inference } = splitEvaluation({ inference: { prompt: { [name]: { budget: 0.5 } } } });
    const chat = generate.options.parse({ prompts: [[{ role: "user", content: "a b" }]] });
    await expect(generate.evaluate({ ...reader, inference }, chat, lab())).rejects.toThrow(
      /not conversations/,
    );
  });
});

describe("every prompt policy that leaves words out", () => {
  const wordCases = cases.filter(({ name }) => "score" in promptPolicies[name]!);

  it.each(wordCases)("keeps exactly its budget, in order, and the question: $name", async ({ name }) => {
    for (const [budget, count] of [
      [0.01, 1],
      [0.34, 3],
      [0.5, 5],
    ] as const) {
      const left = await shorten(text + question, name, { budget });
      expect(left.endsWith(question)).toBe(true);
      const words = left.slice(0, -question.length).trim().split(/\s+/);
      expect(words).toHaveLength(count);
      const places = words.map((word) => text.split(/\s+/).indexOf(word));
      expect(places).toEqual([...places].sort((a, b) => a - b));
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
    }
  });

  it.each(wordCases)("is applied to texts before the model reads them: $name", async ({ name }) => {
    const { inference } = splitEvaluation({ inference: { prompt: { [name]: { budget: 0.5 } } } });
    const options = generate.options.parse({ prompts: ["a b c d\ne"], max_new_tokens: 2 });
    const { details } = await generate.evaluate({ ...reader, inference }, options, lab());
    expect(details.samples[0]!.prompt).toMatch(/^[a-d] [a-d]\ne$/);
    expect(details.samples[0]!.prompt_tokens).toBe(5);
  });
});

describe("words", () => {
  it("join to the text, whatever its spaces", () => {
    for (const each of ["a b", "  a\n\nb  c \n", "x"]) expect(splitWords(each).join("")).toBe(each);
    expect(splitWords("")).toEqual([]);
    expect(splitWords("a\tb  c")).toEqual(["a", "\tb", "  c"]);
  });

  it("are divided into sentences of limited length", () => {
    expect(splitSentences(splitWords('a b. "c d!" e\nf g h'), 2)).toEqual([
      ["a", " b."],
      [' "c', ' d!"'],
      [" e"],
      ["\nf", " g"],
      [" h"],
    ]);
  });
});

describe("selective context", () => {
  it("scores each token by all that is before it, also in a text longer than the context", async () => {
    const ids = Array.from({ length: 150 }, (_, i) => (i * 37) % 256);
    const nats = await measureInformation(reader, ids, lab());
    // By windows of 64 that start every 32 tokens; the first window scores its own tokens.
    for (const [token, start] of [
      [1, 0],
      [63, 0],
      [64, 32],
      [95, 32],
      [96, 64],
      [149, 96],
    ] as const) {
      const [score] = await scoreTokens(
        reader,
        { context: ids.slice(start, token), ids: [ids[token]!] },
        lab(),
      );
      expect(nats[token]).toBeCloseTo(0 - score!, 4);
    }
    expect(nats[0]).toBe(Math.max(...nats));
  });

  it("keeps the words with the most information", async () => {
    const words = splitWords(text);
    const ids = [...(await tokenizer.encode(text))];
    const nats = await measureInformation(reader, ids, lab());
    // A byte is a token, and these characters are a byte each.
    let at = 0;
    const sums = words.map((word) => {
      const sum = nats.slice(at, at + word.length).reduce((a, b) => a + b, 0);
      at += word.length;
      return sum;
    });
    const best = words.filter((_, i) => sums.filter((sum) => sum > sums[i]!).length < 4);
    expect(await shorten(text + question, "selective", { budget: 4 / 9 })).toBe(
      best.join("").trimStart() + question,
    );
  });
});

describe("semantic compression", () => {
  it("embeds a text by the mean of its hidden states, whatever else is in the batch", async () => {
    const texts = ["abc", "a much longer text than the others", ""];
    const together = await embedTexts(reader, texts, lab());
    for (const [i, each] of texts.entries()) {
      const [alone] = await embedTexts(reader, [each], lab());
      alone!.forEach((value, channel) => expect(together[i]![channel]).toBeCloseTo(value, 5));
    }
    expect([...together[2]!]).toEqual(new Array(16).fill(0));
  });

  it("drops the word whose absence changes its sentence least", async () => {
    const sentence = "bb aaa c dddd";
    const words = splitWords(sentence);
    const [whole, ...others] = await embedTexts(
      reader,
      [sentence, ...words.map((_, i) => words.toSpliced(i, 1).join(""))],
      lab(),
    );
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, each, i) => sum + each * b[i]!, 0);
    const changes = others.map(
      (each) => 1 - dot(whole!, each) / Math.sqrt(dot(whole!, whole!) * dot(each, each)),
    );
    const least = changes.indexOf(Math.min(...changes));
    expect(await shorten(sentence, "semantic", { budget: 0.75 })).toBe(
      words.toSpliced(least, 1).join("").trimStart(),
    );
  });

  it("refuses sentences that do not fit into the context", async () => {
    await expect(shorten("word ".repeat(40), "semantic", {})).rejects.toThrow(/Lower sentence_words/);
  });
});

it("random words depend on the seed and the number of the prompt alone", async () => {
  const draw = (index: number) => shorten(text, "random", { budget: 0.5 }, index);
  expect(await draw(0)).toBe(await draw(0));
  expect(new Set(await Promise.all([0, 1, 2, 3].map(draw))).size).toBeGreaterThan(1);
});

it("retrieval finds a passkey only if its words are kept", async () => {
  const characters = createCharactersTokenizer(
    ["\n", " ", ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))],
    true,
  );
  const own = createTinyShape("llama", { vocab_size: characters.vocabSize, max_position_embeddings: 96 });
  const subject = { shape: own, tensors: drawModelTensors(own, 5), tokenizer: characters };
  const options = retrieval.options.parse({ lengths: [96], depths: [0], samples: 3, pairs: 1 });
  const { inference } = splitEvaluation({ inference: { prompt: { recent: { budget: 0.5 } } } });
  const whole = await retrieval.evaluate(subject, options, lab());
  const half = await retrieval.evaluate({ ...subject, inference }, options, lab());
  half.details.samples.forEach(({ prompt_tokens: tokens }, i) =>
    expect(tokens).toBeLessThan(0.7 * whole.details.samples[i]!.prompt_tokens),
  );
});
