/** Text generation as a metric of an experiment. The command line streams the same text through `generation`. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { chatRoles } from "../data/tokenizers/chatTemplate";
import { requireNextToken } from "../models/classifier";
import { continuePrompts, createTexts, type GenerationOptions } from "./generation";
import { refuseConversation } from "./shortenPrompts";
import { defineMetric } from "./metric";
import { addExitUse, computeExitShares, type ExitUse } from "./exitUse";
import type { Continuation, GenerationTimes } from "./generatedText";

/** Options with the names, meanings and defaults of Hugging Face's generation. */
export const generationKeys = {
  max_new_tokens: z
    .int()
    .min(1)
    .default(64)
    .describe("Maximum number of tokens to generate for each prompt."),
  do_sample: z
    .boolean()
    .optional()
    .describe(
      "Sample tokens instead of taking the most likely one. The default is true if `temperature`, `top_k` or `top_p` is set.",
    ),
  temperature: z
    .number()
    .min(0)
    .optional()
    .describe("Divisor of the logits before sampling. The default is 1; 0 takes the most likely token."),
  top_k: z
    .int()
    .min(0)
    .optional()
    .describe("Sample from the k most likely tokens. The default is 50; 0 allows all tokens."),
  top_p: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe("Sample from the fewest tokens whose total probability is at least this. The default is 1."),
  repetition_penalty: z
    .number()
    .positive()
    .default(1)
    .describe("Penalty for tokens that already occurred; above 1 makes them less likely."),
  stop: z
    .union([z.string().min(1), z.array(z.string().min(1))])
    .default([])
    .describe("Text, or list of texts, that stops generation. The output does not include it."),
  stop_token_ids: z
    .array(z.int().min(0))
    .default([])
    .describe("Ids of tokens that stop generation, in addition to those of the tokenizer and the model."),
  use_cache: z
    .boolean()
    .default(true)
    .describe("Cache keys and values of earlier tokens; false reads the whole text again for each token."),
  add_special_tokens: z
    .boolean()
    .default(true)
    .describe("Prepend the tokenizer's start-of-document token, if it has one, to each prompt."),
  seed: z
    .int()
    .min(0)
    .max(0x7fffffff)
    .optional()
    .describe("Seed for sampling. The default is the seed of the run."),
};
type GenerationRequest = z.output<z.ZodObject<typeof generationKeys>>;

/** Fills in defaults that depend on other options, as Hugging Face does. */
export function resolveGeneration(options: GenerationRequest, seed: number): GenerationOptions {
  const { temperature, top_k, top_p } = options;
  const asksForSampling = [temperature, top_k, top_p].some((each) => each !== undefined);
  return {
    max_new_tokens: options.max_new_tokens,
    do_sample: options.do_sample ?? asksForSampling,
    temperature: temperature ?? 1,
    top_k: top_k ?? 50,
    top_p: top_p ?? 1,
    repetition_penalty: options.repetition_penalty,
    stop: [options.stop].flat(),
    stop_token_ids: options.stop_token_ids,
    use_cache: options.use_cache,
    add_special_tokens: options.add_special_tokens,
    seed: options.seed ?? seed,
  };
}

const message = z.strictObject({
  role: z.enum(chatRoles).describe("Role of the speaker."),
  content: z.string().describe("Text of the message."),
});

const optionsSchema = z
  .strictObject({
    prompts: z
      .array(z.union([z.string(), z.array(message).min(1)]))
      .min(1)
      .describe(
        "Prompts to continue: texts, or conversations as lists of `role` and `content`, formatted with the tokenizer's chat template.",
      ),
    ...generationKeys,
  })
  .superRefine((value, context) => {
    for (const key of ["temperature", "top_k", "top_p"] as const)
      if (value.do_sample === false && value[key] !== undefined)
        context.addIssue({
          code: "custom",
          path: [key],
          message: `${key} has no effect if do_sample is false; remove one of them`,
          input: value[key],
        });
  });

export interface Generation {
  readonly options: GenerationOptions;
  readonly samples: readonly Continuation[];
  /** Where tokens left the model, with `inference.exits`. */
  readonly exits?: GenerationExits;
}

export interface GenerationExits extends ExitUse {
  readonly shares: readonly number[];
  /** Share of the drafted tokens that the whole model agreed with; absent without drafts. */
  readonly acceptance?: number;
  /** Share of the texts that the classifier of an exit ended; only with `stop`. */
  readonly stopped?: number;
  readonly seconds_per_token: number;
}

export default defineMetric<z.output<typeof optionsSchema>, Generation>({
  title: "Text generated from prompts",
  options: optionsSchema,
  needs: ["tokenizer"],
  inference: ["cache", "prompt", "exits"],
  goals: { "generate/flops_saved": "maximize", "generate/acceptance": "maximize" },
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
  checkModel: (shape) => requireNextToken(shape, "it cannot generate text"),
  countTokens: (_shape, options) => options.max_new_tokens,
  check: async ({ shape, tokenizer, inference }, { prompts, ...options }) => {
    const part = (["cache", "exits"] as const).find((each) => inference?.[each] !== undefined);
    if (part !== undefined && !options.use_cache)
      throw new WorkbenchError(
        "invalid-input",
        `evaluate.generate has use_cache: false, so inference.${part} would have no effect. Remove one of them.`,
      );
    if (inference?.prompt !== undefined) prompts.forEach(refuseConversation);
    if (tokenizer !== undefined)
      await createTexts({ shape, tokenizer, inference }, prompts, resolveGeneration(options, 0));
  },
  evaluate: async (subject, { prompts, ...options }, lab) => {
    const resolved = resolveGeneration(options, lab.seed);
    const written = prompts.map(() => "");
    const progress: typeof lab.progress = (done, total, what) => {
      const now = written.find((text) => text !== "");
      lab.progress(done, total, now === undefined ? what : `${getTail(now)} ${what}`);
    };
    const times: GenerationTimes[] = [];
    const samples = await continuePrompts(
      subject,
      prompts,
      resolved,
      { ...lab, progress },
      {
        onText: (prompt, piece) => (written[prompt] = written[prompt]! + piece),
        onEnd: (prompt, sample) => {
          written[prompt] = "";
          lab.log?.(formatLine(sample));
        },
        onTimed: (each) => times.push(each),
      },
    );
    const use = summarizeExits(times);
    const exits =
      use === undefined || subject.inference?.exits?.stop === undefined
        ? use
        : { ...use, stopped: samples.filter(({ finish }) => finish === "exit").length / samples.length };
    return {
      values: {
        "generate/tokens": samples.reduce((total, { ids }) => total + ids.length, 0),
        ...(exits === undefined ? {} : toExitValues(exits)),
      },
      lines: [...samples.map(formatLine), ...(exits === undefined ? [] : [formatExits(exits)])],
      details: { options: resolved, samples, ...(exits === undefined ? {} : { exits }) },
    };
  },
});

function summarizeExits(times: readonly GenerationTimes[]): GenerationExits | undefined {
  const uses = times.flatMap(({ exits }) => exits ?? []);
  if (uses.length === 0) return undefined;
  const use = uses.reduce(addExitUse);
  const tokens = use.tokens.reduce((sum, count) => sum + count, 0);
  const seconds = times.reduce((sum, { new_seconds }) => sum + new_seconds, 0);
  return {
    ...use,
    shares: computeExitShares(use),
    ...(use.drafted === 0 ? {} : { acceptance: use.tokens[0]! / use.drafted }),
    seconds_per_token: tokens === 0 ? 0 : seconds / tokens,
  };
}

function toExitValues({ layers, shares, flops, fullFlops, acceptance, stopped }: GenerationExits) {
  return {
    ...(stopped === undefined ? {} : { "generate/stopped": stopped }),
    "generate/flops_saved": fullFlops === 0 ? 0 : 1 - flops / fullFlops,
    ...(acceptance === undefined
      ? { "generate/layers": layers.reduce((sum, layer, i) => sum + layer * shares[i]!, 0) }
      : { "generate/acceptance": acceptance }),
  };
}

function formatExits({ layers, shares, flops, fullFlops, acceptance, ...rest }: GenerationExits): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const what =
    acceptance === undefined
      ? `tokens by layers: ${layers.map((layer, i) => `${layer}: ${percent(shares[i]!)}`).join(", ")}`
      : `drafted by ${layers[0]} ${layers[0] === 1 ? "layer" : "layers"}, ${percent(acceptance)} of ${rest.drafted} accepted`;
  const work = fullFlops === 0 ? "" : `; ${percent(flops / fullFlops)} of the whole model's FLOPs`;
  const ends = rest.stopped === undefined ? "" : `; ${percent(rest.stopped)} of the texts stopped at an exit`;
  return `${what}${work}${ends}; ${(1000 * rest.seconds_per_token).toFixed(2)} ms per token`;
}

function formatLine({ prompt, text }: Continuation): string {
  return `${JSON.stringify(prompt)} → ${JSON.stringify(text)}`;
}

/** The last words of the text that is being generated, on one line, to show with the progress. */
function getTail(text: string): string {
  return `…${text.slice(-40).replace(/\s+/g, " ")}`;
}
