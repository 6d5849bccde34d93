/**
 * Retrieval over a long context: the model completes passkey prompts, whose answers are known, by length and by depth of the
 * pair that is asked for (needle in a haystack, Kamradt 2023; multi-key passkeys, RULER, Hsieh et al. 2024).
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { valuesKey } from "../../schema/passkeys";
import { computeMean } from "../../statistics/resampling";
import { createPrompt, getShortestPrompt, refuseTooManyKeys } from "../data/passkeys";
import { getDocumentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import type { FramedPrompt } from "./generatedText";
import { continuePrompts, greedyOptions } from "./generation";
import { checkCache } from "./openNextToken";
import { defineMetric, type EvaluationLab, getTokenizer, type Subject } from "./metric";
import type { RetrievalCell } from "./retrievalCells";

const isUnique = (values: readonly number[]) => new Set(values).size === values.length;

const optionsSchema = z.strictObject({
  lengths: z
    .array(z.int().min(1))
    .min(1)
    .refine(isUnique, { error: "name each length once" })
    .default([256, 512, 1024])
    .describe("Lengths of a prompt with its answer, in tokens. Filler is added until no more fits."),
  depths: z
    .array(z.number().min(0).max(1))
    .min(1)
    .refine(isUnique, { error: "name each depth once" })
    .default([0, 0.25, 0.5, 0.75, 1])
    .describe("Depths in the filler of the pair that is asked for, from 0 at the start to 1 at the end."),
  samples: z.int().min(1).default(20).describe("Prompts of each length and depth."),
  pairs: z.int().min(1).default(8).describe("Pairs in a prompt. One is a needle in a haystack."),
  key_length: z.int().min(1).max(16).default(2).describe("Letters of a key."),
  value_length: z
    .int()
    .min(1)
    .max(16)
    .default(2)
    .describe("Characters of a value, all of which must be right."),
  values: valuesKey,
  compress: z
    .enum(["before_question", "with_question"])
    .default("before_question")
    .describe(
      "When a cache policy shortens the prompt: before the model reads the question, whose tokens then follow one by one, or together with it. Without a policy it makes no difference.",
    ),
  seed: z
    .int()
    .min(0)
    .default(0)
    .describe("Seed of the prompts. Prompts differ from the documents that `data.passkeys` draws with it."),
  batch_size: z
    .int()
    .min(1)
    .default(8)
    .describe("Prompts that are completed together. Affects only time and memory."),
});
type Options = z.output<typeof optionsSchema>;

export interface RetrievalSample {
  readonly length: number;
  readonly depth: number;
  readonly prompt_tokens: number;
  readonly expected: string;
  /** As many characters as expected, without the spaces before them. */
  readonly generated: string;
}

export interface Retrieval {
  /** By length, then by depth. */
  readonly cells: readonly RetrievalCell[];
  readonly samples: readonly RetrievalSample[];
}

export default defineMetric<Options, Retrieval>({
  title: "Retrieval by length and depth",
  options: optionsSchema,
  needs: ["tokenizer"],
  inference: ["cache", "prompt"],
  goals: { "retrieval/accuracy*": "maximize" },
  samples: [{ lengths: [13, 16], depths: [0, 1], samples: 2, pairs: 2, key_length: 1, value_length: 1 }],
  checkModel: (shape) => requireNextToken(shape, "it cannot complete prompts"),
  countTokens: (_shape, { lengths }) => Math.max(...lengths),
  check: async ({ shape, tokenizer, inference }, options) => {
    refuseImpossiblePrompts(shape, options);
    for (const length of options.lengths)
      checkCache({ shape, inference }, [length - options.value_length], length);
    if (tokenizer !== undefined)
      await createFittingPrompt(tokenizer, options, Math.min(...options.lengths), 0);
  },
  evaluate: async (subject, options, lab) => {
    requireNextToken(subject.shape, "it cannot complete prompts");
    refuseImpossiblePrompts(subject.shape, options);
    const hash = createHash("sha256");
    const samples: RetrievalSample[] = [];
    for (const [i, length] of options.lengths.entries()) {
      const progress: EvaluationLab["progress"] = (done, total, what) =>
        lab.progress(i * total + done, options.lengths.length * total, what);
      const prompts = await createPrompts(getTokenizer(subject), options, length);
      for (const { text, answer } of prompts) hash.update(JSON.stringify([text, answer]));
      const answers = await answerPrompts(subject, prompts, options, { ...lab, progress });
      samples.push(...answers);
      lab.log?.(formatLength(length, answers));
    }
    const ofLength = options.lengths.map((length) => samples.filter((sample) => sample.length === length));
    const cells = options.lengths.flatMap((length, i) =>
      options.depths.map((depth): RetrievalCell => {
        const cell = ofLength[i]!.filter((sample) => sample.depth === depth);
        return { length, depth, correct: cell.filter(isCorrect).length, samples: cell.length };
      }),
    );
    return {
      values: Object.fromEntries([
        ...summarize("retrieval/accuracy", samples),
        ...options.lengths.flatMap((length, i) => summarize(`retrieval/accuracy_${length}`, ofLength[i]!)),
      ]),
      lines: options.lengths.map((length, i) => formatLength(length, ofLength[i]!)),
      protocols: {
        "retrieval/accuracy": {
          data: "passkeys",
          split: "drawn",
          hash: hash.digest("hex"),
          tokens: samples.length,
          unit: "rows",
          method: `${options.compress === "with_question" ? "compressed with the question, " : ""}exact match of ${options.value_length} ${options.values}, ${options.pairs} pairs, lengths ${options.lengths.join(" ")}, depths ${options.depths.join(" ")}`,
        },
      },
      details: { cells, samples },
    };
  },
});

function refuseImpossiblePrompts(shape: ModelShape, options: Options): void {
  refuseTooManyKeys(options, "retrieval.");
  const { context } = dimensionsOf(shape);
  const tooLong = options.lengths.filter((length) => length > context);
  if (tooLong.length === 0) return;
  throw new WorkbenchError(
    "invalid-input",
    `retrieval.lengths ${tooLong.join(", ")} exceed the model's context of ${context} tokens. ` +
      `Name lengths of at most ${context}, or use a model with a longer context.`,
  );
}

interface PasskeyPrompt extends FramedPrompt {
  readonly length: number;
  readonly depth: number;
  readonly answer: string;
}

async function createPrompts(
  tokenizer: Tokenizer,
  options: Options,
  length: number,
): Promise<PasskeyPrompt[]> {
  const prompts: PasskeyPrompt[] = [];
  const count = options.depths.length * options.samples;
  for (let i = 0; i < count; i++) prompts.push(await createFittingPrompt(tokenizer, options, length, i));
  if (options.compress === "with_question") return prompts;
  // As many for each, so that none depends on what else is in its batch.
  const oneByOne = Math.max(
    ...(await Promise.all(prompts.map((prompt) => countQuestion(tokenizer, prompt)))),
  );
  return prompts.map((prompt) => ({ ...prompt, oneByOne }));
}

/** Number of tokens of the question at the end of a prompt. */
async function countQuestion(tokenizer: Tokenizer, { text, ids }: PasskeyPrompt): Promise<number> {
  const { before } = getDocumentFrame(tokenizer);
  const document = [...before, ...(await tokenizer.encode(text.slice(0, text.lastIndexOf("\n"))))];
  const shared = ids.findIndex((id, i) => id !== document[i]);
  return ids.length - shared;
}

/**
 * Prompt `i` of a length. Depths take turns, and the same prompt number has the same pairs at every length. Filler is added
 * as long as the tokens leave room for the answer, whose characters may be a token each.
 */
async function createFittingPrompt(
  tokenizer: Tokenizer,
  options: Options,
  length: number,
  i: number,
): Promise<PasskeyPrompt> {
  const depth = options.depths[i % options.depths.length]!;
  const write = createPrompt(options, { seed: options.seed, number: i, depth });
  const room = length - options.value_length;
  const { before } = getDocumentFrame(tokenizer);
  const writeTokens = async (characters: number): Promise<PasskeyPrompt> => {
    const { text, answer } = write(characters);
    return { text, ids: [...before, ...(await tokenizer.encode(text))], length, depth, answer };
  };
  let characters = getShortestPrompt(options);
  let prompt = await writeTokens(characters);
  if (prompt.ids.length > room)
    throw new WorkbenchError(
      "invalid-input",
      `retrieval.lengths ${length} is too short: a prompt of ${options.pairs} pairs without filler and its answer have ${prompt.ids.length + options.value_length} tokens. ` +
        "Raise it, or lower retrieval.pairs.",
    );
  // A character is at most one token, so as many characters as there are free tokens fit.
  while (prompt.ids.length < room) {
    characters += room - prompt.ids.length;
    const longer = await writeTokens(characters);
    if (longer.ids.length > room) break;
    prompt = longer;
  }
  return prompt;
}

async function answerPrompts(
  subject: Subject,
  prompts: readonly PasskeyPrompt[],
  { value_length: characters, batch_size }: Options,
  lab: EvaluationLab,
): Promise<RetrievalSample[]> {
  const options = {
    ...greedyOptions,
    max_new_tokens: characters,
    add_special_tokens: false,
    batch_size,
  };
  const continuations = await continuePrompts(subject, prompts, options, lab);
  return continuations.map(({ text, prompt_tokens }, i) => {
    const { length, depth, answer } = prompts[i]!;
    return {
      length,
      depth,
      prompt_tokens,
      expected: answer,
      generated: text.trimStart().slice(0, characters),
    };
  });
}

function isCorrect({ expected, generated }: RetrievalSample): boolean {
  return generated === expected;
}

function measureAccuracy(samples: readonly RetrievalSample[]) {
  const accuracy = computeMean(samples.map((sample) => Number(isCorrect(sample))));
  // The standard error of a binomial proportion.
  return { accuracy, error: Math.sqrt((accuracy * (1 - accuracy)) / samples.length) };
}

function summarize(name: string, samples: readonly RetrievalSample[]): [string, number][] {
  const { accuracy, error } = measureAccuracy(samples);
  return [
    [name, accuracy],
    [`${name}_stderr`, error],
  ];
}

function formatLength(length: number, samples: readonly RetrievalSample[]): string {
  const { accuracy, error } = measureAccuracy(samples);
  const depths = [...new Set(samples.map(({ depth }) => depth))];
  const byDepth = depths.map((depth) => {
    const cell = samples.filter((sample) => sample.depth === depth);
    return `${depth}: ${cell.filter(isCorrect).length}/${cell.length}`;
  });
  return `${length} tokens: ${(100 * accuracy).toFixed(1)} % ± ${(100 * error).toFixed(1)} right; by depth ${byDepth.join(", ")}`;
}
