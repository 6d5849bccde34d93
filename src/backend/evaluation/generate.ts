/** Samples of what a model writes, as a metric of an experiment. The command line streams the same through `generation`. */
import * as z from "zod";
import { chatRoles } from "../data/tokenizers/chatTemplate";
import { requireNextToken } from "../models/classifier";
import { continuePrompts, type GenerationOptions, textsOf } from "./generation";
import { defineMetric } from "./metric";
import type { Continuation } from "./writtenText";

/** Names, meanings and defaults of Hugging Face's generation options. */
export const generationKeys = {
  max_new_tokens: z.int().min(1).default(64).describe("Tokens to write after each prompt."),
  do_sample: z
    .boolean()
    .optional()
    .describe(
      "Draw tokens by their probability instead of taking the most likely one; when left out, true where `temperature`, `top_k` or `top_p` is given.",
    ),
  temperature: z
    .number()
    .min(0)
    .optional()
    .describe("Divides the logits before sampling; 1 when left out, 0 takes the most likely token."),
  top_k: z
    .int()
    .min(0)
    .optional()
    .describe("Sample from the k most likely tokens; 50 when left out, 0 for all of them."),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Sample from the fewest tokens that together have this probability; 1 when left out."),
  repetition_penalty: z
    .number()
    .positive()
    .default(1)
    .describe("Makes tokens that have occurred less likely where above 1."),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .default([])
    .describe("Text, or texts, that end the writing; they are not part of it."),
  stop_token_ids: z
    .array(z.int().min(0))
    .default([])
    .describe("Ids of tokens that end the writing, besides those of the tokenizer and the model."),
  use_cache: z
    .boolean()
    .default(true)
    .describe("Keep keys and values of earlier tokens; false reads the whole text again for each token."),
  add_special_tokens: z
    .boolean()
    .default(true)
    .describe("Put the token that opens a document before each prompt, where the tokenizer has one."),
  seed: z.int().min(0).max(0x7fffffff).optional().describe("Seed of the draws; the run's own when left out."),
};
type GivenOptions = z.output<z.ZodObject<typeof generationKeys>>;

/** Fills in what follows from the other options, after Hugging Face's defaults. */
export function resolveGeneration(given: GivenOptions, seed: number): GenerationOptions {
  const { temperature, top_k, top_p } = given;
  const asksForSampling = [temperature, top_k, top_p].some((each) => each !== undefined);
  return {
    max_new_tokens: given.max_new_tokens,
    do_sample: given.do_sample ?? asksForSampling,
    temperature: temperature ?? 1,
    top_k: top_k ?? 50,
    top_p: top_p ?? 1,
    repetition_penalty: given.repetition_penalty,
    stop: [given.stop].flat(),
    stop_token_ids: given.stop_token_ids,
    use_cache: given.use_cache,
    add_special_tokens: given.add_special_tokens,
    seed: given.seed ?? seed,
  };
}

const message = z.strictObject({
  role: z.enum(chatRoles).describe("Who speaks."),
  content: z.string().describe("What is said."),
});

const options = z
  .strictObject({
    prompts: z
      .array(z.union([z.string(), z.array(message).min(1)]))
      .min(1)
      .describe(
        "Beginnings to write on from: texts, or conversations as lists of `role` and `content`, which the chat template of the tokenizer writes down.",
      ),
    ...generationKeys,
  })
  .superRefine((given, context) => {
    for (const key of ["temperature", "top_k", "top_p"] as const)
      if (given.do_sample === false && given[key] !== undefined)
        context.addIssue({
          code: "custom",
          path: [key],
          message: `${key} changes nothing where do_sample is false; leave out one of them`,
          input: given[key],
        });
  });

export interface Generation {
  readonly options: GenerationOptions;
  readonly samples: readonly Continuation[];
}

export default defineMetric<z.output<typeof options>, Generation>({
  title: "Text written on from prompts",
  options,
  needs: ["tokenizer"],
  goals: {},
  samples: [
    { prompts: ["a"], max_new_tokens: 4 },
    {
      prompts: ["aa", "a"],
      max_new_tokens: 20,
      temperature: 0.8,
      top_k: 5,
      top_p: 0.9,
      repetition_penalty: 1.2,
    },
  ],
  checkModel: (shape) => requireNextToken(shape, "it writes nothing"),
  check: async ({ shape, tokenizer }, { prompts, ...given }) => {
    if (tokenizer !== undefined) await textsOf({ shape, tokenizer }, prompts, resolveGeneration(given, 0));
  },
  evaluate: async (subject, { prompts, ...given }, lab) => {
    const resolved = resolveGeneration(given, lab.seed);
    const written = prompts.map(() => "");
    const progress: typeof lab.progress = (done, total, what) => {
      const now = written.find((text) => text !== "");
      lab.progress(done, total, now === undefined ? what : `${tailOf(now)} ${what}`);
    };
    const samples = await continuePrompts(
      subject,
      prompts,
      resolved,
      { ...lab, progress },
      {
        onText: (prompt, piece) => (written[prompt] = written[prompt]! + piece),
        onEnd: (prompt, sample) => {
          written[prompt] = "";
          lab.log?.(lineOf(sample));
        },
      },
    );
    return {
      values: { "generate/tokens": samples.reduce((total, { ids }) => total + ids.length, 0) },
      lines: samples.map(lineOf),
      details: { options: resolved, samples },
    };
  },
});

function lineOf({ prompt, text }: Continuation): string {
  return `${JSON.stringify(prompt)} → ${JSON.stringify(text)}`;
}

/** What is being written, beside the progress: its last words on one line. */
function tailOf(text: string): string {
  return `…${text.slice(-40).replace(/\s+/g, " ")}`;
}
