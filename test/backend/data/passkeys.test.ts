import { describe, expect, test } from "vitest";
import { createPrompt, generateDocuments, getShortestPrompt } from "../../../src/backend/data/passkeys";
import { dataSchema, type DataOptions } from "../../../src/schema/experiment";
import { type PasskeyOptions, passkeySchema } from "../../../src/schema/passkeys";
import { createByteTokenizerJson } from "../../support/byteTokenizer";
import { failureOf, openIn, temporaryFolder, writeFiles } from "./fixtures";

const parse = (options: Partial<PasskeyOptions>) => passkeySchema.parse(options);
const draw = (options: Partial<PasskeyOptions>) => [...generateDocuments(parse(options))];

/** The pairs of the context and of the questions, as a reader finds them. */
function readDocument(text: string) {
  const [context, ...questions] = text.split("\n");
  const split = (pair: string) => /^([A-Z]+)(\d*)$/.exec(pair)!.slice(1) as [string, string];
  const pairs = new Map(context!.match(/[A-Z]+\d+/g)?.map(split));
  return { context: context!, pairs, questions: questions.map(split) };
}

describe("passkey documents", () => {
  test.each<Partial<PasskeyOptions>>([
    { documents: 50 },
    { documents: 50, pairs: 1, questions: 1, length: 64, key_length: 5, value_length: 7, seed: 1 },
    { documents: 50, pairs: 26, questions: 3, length: 300, key_length: 1, value_length: 1, seed: 2 },
    { documents: 20, pairs: 4, questions: 9, length: 4000, seed: 3 },
    // No room for filler.
    { documents: 20, pairs: 4, questions: 4, length: 40, seed: 4 },
  ])("have their length, different keys, and the answers of their pairs: %o", (some) => {
    const options = parse(some);
    const documents = draw(some);
    expect(new Set(documents.map(({ text }) => text)).size).toBe(options.documents);
    for (const { text, answers } of documents) {
      expect(text.length).toBe(options.length);
      const { pairs, questions } = readDocument(text);
      expect(pairs.size).toBe(options.pairs);
      for (const [key, value] of pairs)
        expect([key.length, value.length]).toEqual([options.key_length, options.value_length]);
      expect(questions.map(([, value]) => value)).toEqual(questions.map(([key]) => pairs.get(key)));
      expect(answers.map(([start, end]) => text.slice(start, end))).toEqual(
        questions.map(([, value]) => value),
      );
      const asked = questions.slice(0, options.pairs).map(([key]) => key);
      expect(new Set(asked).size).toBe(Math.min(options.pairs, options.questions));
    }
  });

  test("the first documents do not depend on their number, and another seed draws others", () => {
    expect(draw({ documents: 7 }).slice(0, 3)).toEqual(draw({ documents: 3 }));
    expect(draw({ documents: 3, seed: 1 })).not.toEqual(draw({ documents: 3 }));
  });

  test("values are of digits or of letters", () => {
    const collect = (values: "digits" | "letters") =>
      draw({ documents: 40, values }).flatMap(({ text, answers }) =>
        answers.map(([start, end]) => text.slice(start, end)),
      );
    expect(new Set(collect("digits").join("")).size).toBe(10);
    expect(collect("digits").join("")).toMatch(/^\d{640}$/);
    expect(new Set(collect("letters").join("")).size).toBe(26);
    expect(collect("letters").join("")).toMatch(/^[A-Z]{640}$/);
  });

  test("pairs are at all depths equally often", () => {
    const tenths = new Array<number>(10).fill(0);
    for (const { text } of draw({ documents: 500, pairs: 2, questions: 1, length: 1000 })) {
      const { context, pairs } = readDocument(text);
      for (const key of pairs.keys()) tenths[Math.floor((10 * context.indexOf(key)) / context.length)]!++;
    }
    // 100 in each are expected; the standard deviation of a binomial count is 9.5.
    for (const count of tenths) expect(Math.abs(count - 100)).toBeLessThan(5 * 9.5);
  });
});

describe("a passkey prompt", () => {
  const options = { pairs: 3, key_length: 2, value_length: 4, values: "digits" } as const;
  const place = { seed: 0, number: 0 };

  test("has the pair of its question at the depth", () => {
    for (const depth of [0, 0.1, 0.5, 0.9, 1])
      for (let number = 0; number < 20; number++) {
        const { text, answer } = createPrompt(options, { seed: 0, number, depth })(2000);
        const { context, pairs, questions } = readDocument(text);
        const [[key, nothing]] = questions as [[string, string]];
        expect(nothing).toBe("");
        expect(pairs.get(key)).toBe(answer);
        expect(pairs.size).toBe(3);
        expect(text.length).toBe(2000);
        // Words have up to five letters, and the other pairs do not count as filler.
        expect(Math.abs(context.indexOf(key) - depth * context.length)).toBeLessThan(40);
      }
  });

  test("keeps its pairs at every length, and has no filler at its shortest", () => {
    const write = createPrompt(options, { ...place, depth: 0.5 });
    const shortest = write(getShortestPrompt(options));
    expect(shortest.text).toMatch(/^([A-Z]{2}\d{4} ){3}\n[A-Z]{2}$/);
    for (const length of [40, 41, 100, 999]) {
      const { text, answer } = write(length);
      expect(text.length).toBe(length);
      expect(readDocument(text).pairs).toEqual(readDocument(shortest.text).pairs);
      expect(answer).toBe(shortest.answer);
    }
  });

  test("differs with its number and its seed, and from the documents of the seed", () => {
    const keys = [
      ...[0, 1, 2].map((number) => createPrompt(options, { seed: 0, number, depth: 0 })(200)),
      createPrompt(options, { seed: 1, number: 0, depth: 0 })(200),
      ...draw({ ...options, documents: 1 }),
    ].map(({ text }) => [...readDocument(text).pairs.keys()].join());
    expect(new Set(keys).size).toBe(5);
  });
});

/** Joins frequent letters, two digits, and the end of a key with the start of an answer. */
function createMergingTokenizer(): string {
  const json = JSON.parse(createByteTokenizerJson()) as { model: { vocab: object; merges: string[] } };
  const merges = ["t h", "th e", "o f", "1 2", "A 3", "Ġ a"];
  const joined = merges.map((merge, i) => [merge.replace(" ", ""), 256 + i] as const);
  json.model = { ...json.model, vocab: { ...json.model.vocab, ...Object.fromEntries(joined) }, merges };
  return JSON.stringify(json);
}

describe("data of passkeys", () => {
  const options = {
    passkeys: parse({ documents: 60, length: 120, pairs: 4, questions: 6 }),
    packing: false,
    sequence_len: 120,
  } satisfies Partial<DataOptions>;

  test.each(["bytes", "characters", "tokenizer.json"])(
    "the loss counts the answers, and with train_on_inputs everything: %s",
    async (tokenizer) => {
      const folder = temporaryFolder();
      await writeFiles(folder, { "tokenizer.json": createMergingTokenizer() });
      using data = await openIn(folder, { ...options, tokenizer, val_fraction: 0 });
      const documents = [...generateDocuments(options.passkeys)];
      expect(data.train.sequences).toBe(60);
      documents.forEach(({ text, answers }, i) => {
        const { tokens, labels } = data.train.batch([i]);
        const counted = labels.filter((label) => label >= 0);
        const decoded = data.tokenizer.decode(counted);
        const expected = answers.map(([start, end]) => text.slice(start, end)).join("");
        // A token that joins a key with the first digit of its answer counts as well.
        expect(decoded.replaceAll("A", "")).toBe(expected);
        if (tokenizer !== "tokenizer.json") {
          expect(data.tokenizer.decode(tokens)).toBe(text);
          // What is predicted follows what was read, and the last label is the end of the document.
          for (const [start, end] of answers)
            expect(data.tokenizer.decode(labels.slice(start - 1, end - 1))).toBe(text.slice(start, end));
          expect(labels.filter((label) => label === data.tokenizer.endOfText)).toHaveLength(
            data.tokenizer.endOfText === undefined ? 0 : 1,
          );
        }
      });
      using everything = await openIn(folder, {
        ...options,
        tokenizer,
        val_fraction: 0,
        train_on_inputs: true,
      });
      const { tokens, labels } = everything.train.batch([0]);
      const length = labels.filter((label) => label >= 0).length;
      expect([...labels.subarray(0, length - 1)]).toEqual([...tokens.subarray(1, length)]);
      expect(data.tokenizer.decode([tokens[0]!, ...labels.subarray(0, length)])).toBe(documents[0]!.text);
    },
  );

  test("validation documents are whole documents of their own, and max_bytes limits the number", async () => {
    using data = await openIn(temporaryFolder(), { ...options, val_set_size: 20, max_bytes: 50 * 120 + 5 });
    const [train, validation] = [data.train, data.validation!].map((split) =>
      Array.from({ length: split.sequences }, (_, i) =>
        data.tokenizer.decode(split.batch([i]).tokens.subarray(0, 100)),
      ),
    );
    expect([train!.length, validation!.length]).toEqual([30, 20]);
    expect(new Set([...train!, ...validation!]).size).toBe(50);
    expect(data.title).toBe("passkeys");
  });

  test.each<[string, Partial<DataOptions>, string]>([
    ["packing", { ...options, packing: true }, "data.packing has to be false"],
    ["a short sequence", { ...options, sequence_len: 119 }, "data.sequence_len is 119"],
    [
      "no room",
      { ...options, passkeys: parse({ length: 79 }) },
      "length is 79, but 8 pairs and 8 questions have 80 characters",
    ],
    [
      "too few keys",
      { ...options, passkeys: parse({ pairs: 27, key_length: 1 }) },
      "only 26 keys of 1 letter",
    ],
    ["two sources", { ...options, text: "*.txt" }, "data.text and data.passkeys"],
  ])("refused: %s", async (_, some, message) => {
    const failure = await failureOf(openIn(temporaryFolder(), dataSchema.parse(some)));
    expect(failure.code).toBe("invalid-input");
    expect(failure.message).toContain(message);
  });
});
