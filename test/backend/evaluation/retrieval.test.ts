import { describe, expect, test } from "vitest";
import type { HostTensors } from "../../../src/backend/checkpoints/safetensors";
import { createBytesTokenizer } from "../../../src/backend/data/tokenizers/bytes";
import { createCharactersTokenizer } from "../../../src/backend/data/tokenizers/characters";
import { openTokenizer } from "../../../src/backend/data/tokenizers/openTokenizer";
import type { Tokenizer } from "../../../src/backend/data/tokenizers/tokenizer";
import { continuePrompts } from "../../../src/backend/evaluation/generation";
import { resolveGeneration } from "../../../src/backend/evaluation/generate";
import { splitEvaluation } from "../../../src/backend/evaluation/parseInference";
import retrieval from "../../../src/backend/evaluation/retrieval";
import type { EvaluationLab, Subject } from "../../../src/backend/evaluation/metric";
import { createPrompt } from "../../../src/backend/data/passkeys";
import { parametersOf } from "../../../src/backend/models/model";
import { createByteTokenizerJson } from "../../support/byteTokenizer";
import { useGrammar } from "../../support/grammar";
import { createQuietLab, createTinyShape, drawModelTensors } from "../../support/subject";
import { failureOf, temporaryFolder, writeFiles } from "../data/fixtures";

const grammar = useGrammar();
const lab = (): EvaluationLab => createQuietLab(grammar.engine);
const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
const characters = createCharactersTokenizer(["\n", " ", ...ascii], true);
const digits = "0123456789";

const evaluate = (subject: Subject, options: Readonly<Record<string, unknown>>, using = lab()) =>
  retrieval.evaluate(subject, retrieval.options.parse(options), using);

/** A layer without queries adds to each token the mean of the digits before it, and the head reads that digit. */
async function createAveragingModel(
  tokenizer: Tokenizer,
  head: (digit: number, channel: number) => number = (digit, channel) => Number(digit === channel),
): Promise<Subject> {
  const shape = createTinyShape("llama", {
    vocab_size: tokenizer.vocabSize,
    num_hidden_layers: 1,
    num_key_value_heads: 4,
    max_position_embeddings: 160,
  });
  const ids = (await tokenizer.encode(digits)) as ArrayLike<number>;
  const digitOf = new Map(Array.from(ids, (id, digit) => [id, digit]));
  const fill = (name: string, size: readonly number[]): Float32Array => {
    const [rows, columns] = [size[0]!, size[1] ?? 1];
    const value = (row: number, column: number): number => {
      if (/norm/.test(name)) return 1;
      if (/[vo]_proj/.test(name)) return Number(row === column);
      const digit = digitOf.get(row);
      if (digit === undefined) return 0;
      if (/embed_tokens/.test(name)) return Number(digit === column);
      return /lm_head/.test(name) ? head(digit, column) : 0;
    };
    return Float32Array.from({ length: rows * columns }, (_, i) =>
      value(Math.floor(i / columns), i % columns),
    );
  };
  const tensors: HostTensors = new Map(
    parametersOf(shape).map(({ name, shape: size }) => [name, { shape: size, data: fill(name, size) }]),
  );
  return { shape, tensors, tokenizer };
}

const small = { key_length: 1, value_length: 1, samples: 3 };

describe("retrieval", () => {
  test.each([characters, createBytesTokenizer()])(
    "is perfect for a model that reads the only digit, at every length and depth: $id",
    async (tokenizer) => {
      const subject = await createAveragingModel(tokenizer);
      const { values, details, lines } = await evaluate(subject, {
        ...small,
        lengths: [16, 61, 160],
        depths: [0, 0.5, 1],
        pairs: 1,
      });
      expect(values).toEqual(
        Object.fromEntries(
          ["", "_16", "_61", "_160"].flatMap((length) => [
            [`retrieval/accuracy${length}`, 1],
            [`retrieval/accuracy${length}_stderr`, 0],
          ]),
        ),
      );
      expect(details.cells).toEqual(
        [16, 61, 160].flatMap((length) =>
          [0, 0.5, 1].map((depth) => ({ length, depth, correct: 3, samples: 3 })),
        ),
      );
      // Every token is a character here, so prompts fill their length.
      for (const { length, prompt_tokens: tokens } of details.samples) expect(tokens).toBe(length - 1);
      expect(lines[2]).toBe("160 tokens: 100.0 % ± 0.0 right; by depth 0: 3/3, 0.5: 3/3, 1: 3/3");
    },
  );

  test("finds what a cache policy keeps when the question comes, and nothing else", async () => {
    const plain = await createAveragingModel(characters);
    const options = { ...small, lengths: [160], depths: [0, 1], pairs: 1 };
    const correct = async (cache: object, changes = {}) => {
      const { inference } = splitEvaluation({ inference: { cache } });
      const { details } = await evaluate({ ...plain, inference }, { ...options, ...changes });
      return details.cells.map((cell) => cell.correct);
    };
    expect(await correct({ window: { budget: 160 } })).toEqual([3, 3]);
    // The pair at the start is dropped; the other is among the last tokens.
    expect(await correct({ window: { budget: 12, sinks: 0 } })).toEqual([0, 3]);
    // Together with the question, the only digit is read before anything is dropped.
    expect(await correct({ window: { budget: 12, sinks: 0 } }, { compress: "with_question" })).toEqual([
      3, 3,
    ]);
    // Keeping the start of the text finds the pair there.
    expect(await correct({ window: { budget: 12, sinks: 11 } })).toEqual([3, 0]);
  });

  test("is the share of the answers that a constant model happens to give, with the error of a proportion", async () => {
    // The head reads any digit as a 7.
    const subject = await createAveragingModel(characters, (digit) => Number(digit === 7));
    const { values, details } = await evaluate(subject, {
      ...small,
      lengths: [40],
      depths: [0, 1],
      samples: 60,
      pairs: 4,
    });
    expect(details.samples.map(({ generated }) => generated)).toEqual(new Array(120).fill("7"));
    const share = details.samples.filter(({ expected }) => expected === "7").length / 120;
    expect(share).toBeGreaterThan(0.02);
    expect(values["retrieval/accuracy"]).toBeCloseTo(share, 12);
    expect(values["retrieval/accuracy_40_stderr"]).toBeCloseTo(Math.sqrt((share * (1 - share)) / 120), 12);
    expect(details.cells.reduce((sum, { correct }) => sum + correct, 0)).toBe(Math.round(120 * share));
  });

  test("answers are those of greedy generation, whatever the batch", async () => {
    const shape = createTinyShape("llama", {
      vocab_size: characters.vocabSize,
      max_position_embeddings: 96,
    });
    const subject = { shape, tensors: drawModelTensors(shape, 5), tokenizer: characters };
    const options = { lengths: [64, 96], depths: [0.3, 0.8], samples: 2, pairs: 3, seed: 4 };
    const measured = await evaluate(subject, options);
    expect(await evaluate(subject, { ...options, batch_size: 3 })).toEqual(measured);
    const prompts = [64, 96].flatMap((length) =>
      [0, 1, 2, 3].map(
        (number) =>
          createPrompt(retrieval.options.parse(options), {
            seed: 4,
            number,
            depth: [0.3, 0.8][number % 2]!,
          })(length - 2).text,
      ),
    );
    const plain = resolveGeneration(
      {
        max_new_tokens: 2,
        repetition_penalty: 1,
        stop: [],
        stop_token_ids: [],
        use_cache: false,
        add_special_tokens: true,
      },
      0,
    );
    const texts = await Promise.all(
      prompts.map((prompt) => continuePrompts(subject, [prompt], plain, lab())),
    );
    expect(measured.details.samples.map(({ generated }) => generated)).toEqual(
      texts.map(([continuation]) => continuation!.text.trimStart().slice(0, 2)),
    );
  });

  test("prompts of other tokenizers are as long as fits", async () => {
    const folder = temporaryFolder();
    const json = JSON.parse(createByteTokenizerJson("<s>")) as { model: { vocab: object; merges: string[] } };
    const merges = ["t h", "th e", "o n", "Ġ t", "Ġt o", "h i", "hi l", "hil l"];
    const joined = Object.fromEntries(merges.map((merge, i) => [merge.replace(" ", ""), 257 + i]));
    json.model = { ...json.model, vocab: { ...json.model.vocab, ...joined }, merges };
    await writeFiles(folder, {
      "tokenizer.json": JSON.stringify(json),
      "tokenizer_config.json": JSON.stringify({ bos_token: "<s>", add_bos_token: true }),
    });
    const tokenizer = await openTokenizer(folder, ".");
    const subject = await createAveragingModel(tokenizer);
    const { values, details } = await evaluate(subject, { ...small, lengths: [50, 120], pairs: 1 });
    expect(values["retrieval/accuracy"]).toBe(1);
    for (const { length, prompt_tokens: tokens } of details.samples) {
      expect(tokens).toBeLessThan(length);
      expect(tokens).toBeGreaterThan(length - 4);
    }
  });

  test("equal options ask equal questions, which the protocol identifies", async () => {
    const subject = await createAveragingModel(characters);
    const hashOf = async (options: object) =>
      (await evaluate(subject, { ...small, lengths: [40], pairs: 2, ...options })).protocols![
        "retrieval/accuracy"
      ]!.hash;
    expect(await hashOf({})).toBe(await hashOf({ batch_size: 2 }));
    expect(await hashOf({ seed: 1 })).not.toBe(await hashOf({}));
  });

  test("reports its progress up to the end and stops when asked to", async () => {
    const subject = await createAveragingModel(characters);
    const options = { ...small, value_length: 3, lengths: [40, 60], pairs: 2, samples: 4, batch_size: 4 };
    const seen: (readonly [number, number])[] = [];
    await evaluate(subject, options, {
      ...lab(),
      progress: (done, total) => seen.push([done, total]),
    });
    expect(seen.map(([done]) => done)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(new Set(seen.map(([, total]) => total))).toEqual(new Set([30]));
    const stop = new AbortController();
    const stopped = evaluate(subject, options, {
      ...lab(),
      signal: stop.signal,
      progress: (done) => {
        if (done === 4) stop.abort();
      },
    });
    expect((await failureOf(stopped)).code).toBe("cancelled");
  });
});

describe("the check of retrieval refuses", () => {
  const check = async (options: object, tokenizer: Tokenizer = characters) => {
    const subject = await createAveragingModel(tokenizer);
    const places = { baseFolder: ".", cacheFolder: "." };
    return failureOf((async () => retrieval.check!(subject, retrieval.options.parse(options), places))());
  };

  test.each([
    [
      "lengths beyond the context",
      { lengths: [160, 161, 512] },
      "lengths 161, 512 exceed the model's context of 160",
    ],
    ["prompts that do not fit", { lengths: [160, 44], pairs: 8 }, "lengths 44 is too short"],
    ["more pairs than keys", { lengths: [160], pairs: 27, key_length: 1 }, "only 26 keys of 1 letter"],
  ])("%s", async (_, options, message) => {
    const failure = await check(options);
    expect(failure.code).toBe("invalid-input");
    expect(failure.message).toContain(message);
  });

  test("a tokenizer without the characters of the prompts", async () => {
    const letters = createCharactersTokenizer(Array.from("0123456789abcdefghijklmnopqrstuvwxyz \n"), false);
    expect((await check({ lengths: [100] }, letters)).message).toMatch(/^The character "[A-Z]"/);
  });

  test("models that predict no next token", () => {
    expect(() => retrieval.checkModel!(createTinyShape("bert"))).toThrow("Evaluate it with masked");
  });

  test("repeated lengths and depths", () => {
    for (const options of [{ lengths: [64, 64] }, { depths: [0, 0] }, { depths: [1.5] }, { lengths: [] }])
      expect(retrieval.options.safeParse(options).success).toBe(false);
  });

  test("nothing else", async () => {
    const subject = await createAveragingModel(characters);
    const options = retrieval.options.parse({ lengths: [45, 160] });
    await retrieval.check!(subject, options, { baseFolder: ".", cacheFolder: "." });
  });
});
