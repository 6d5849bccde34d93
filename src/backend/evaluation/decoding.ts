/** Time and memory of generation at several lengths, beside the whole model with the cache of all tokens, timed alternately. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { formatBytes } from "../../protocol/quantities";
import { computeMean, computeQuantile, type Interval, resampleIntervals } from "../../statistics/resampling";
import type { InferenceExits } from "../../schema/exits";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { defineMetric, type EvaluationLab, getSplit, type Subject } from "./metric";
import type { NextToken } from "./nextToken";
import { checkCache, checkExits, defaultDraftTokens, openNextToken } from "./openNextToken";
import { measureMemoryGrowth } from "./passes";
import { findMostLikely } from "./sampling";

const usualLengths = [1024, 4096, 16384];

const optionsSchema = z.strictObject({
  lengths: z
    .array(z.int().min(1))
    .min(1)
    .refine((lengths) => new Set(lengths).size === lengths.length, { error: "name each length once" })
    .optional()
    .describe(
      "Tokens of the prompts. The default is 1,024, 4,096 and 16,384, as far as they fit into the model's context, or else as much as fits.",
    ),
  new_tokens: z.int().min(3).default(32).describe("Timed tokens after each prompt."),
  repeats: z.int().min(1).default(3).describe("How often each prompt is read, after an untimed time."),
});
type Options = z.output<typeof optionsSchema>;

export interface LengthTimes {
  readonly length: number;
  /** Milliseconds to read the prompt, up to the logits of the first new token, including the choice of what is kept. */
  readonly first_token_ms: number;
  /** Milliseconds of each further token: the median, or with exits the mean, since tokens take different ways. */
  readonly token_ms: number;
  /** Time of a token of the whole model with the cache of all tokens divided by that with the policy; 1 without a policy. */
  readonly speedup: number;
  /** 95 % interval over the tokens. */
  readonly speedup_interval: Interval;
  /** Bytes of the cache after the new tokens. */
  readonly bytes: number;
  readonly full_bytes: number;
}

export interface Decoding {
  readonly policy: string;
  readonly device: string;
  readonly new_tokens: number;
  readonly lengths: readonly LengthTimes[];
  /** Peak growth of the process in bytes while it opens the model and generates at the longest length; null if unknown. */
  readonly peak_memory_bytes: number | null;
}

export default defineMetric<Options, Decoding>({
  title: "Time and memory of generation",
  options: optionsSchema,
  needs: [],
  needsWith: { exits: ["data"] },
  inference: ["cache", "exits"],
  changes: true,
  goals: {
    "decoding/first_token_ms*": "minimize",
    "decoding/token_ms*": "minimize",
    "decoding/speedup*": "maximize",
    "decoding/bytes*": "minimize",
    "decoding/peak_memory_bytes": "minimize",
  },
  samples: [{ lengths: [4, 7], new_tokens: 3, repeats: 1 }],
  checkModel: (shape) => requireNextToken(shape, "it does not generate token by token"),
  countTokens: (shape, options) => resolveLengths(shape, options).at(-1)! + options.new_tokens,
  check: (subject, options) => {
    for (const length of resolveLengths(subject.shape, options)) {
      checkCache(subject, [length], length + options.new_tokens);
      checkExits(subject, length + options.new_tokens);
      createPrompt(subject, length);
    }
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { policy, device, peak_memory_bytes: peak } = details;
    const hasExits = subject.inference?.exits !== undefined;
    const whole = hasExits ? "the whole model" : "with all tokens";
    const valuesOf = (times: LengthTimes, suffix: string) => ({
      [`decoding/first_token_ms${suffix}`]: times.first_token_ms,
      [`decoding/token_ms${suffix}`]: times.token_ms,
      [`decoding/speedup${suffix}`]: times.speedup,
      [`decoding/bytes${suffix}`]: times.bytes,
    });
    return {
      values: {
        ...valuesOf(details.lengths.at(-1)!, ""),
        ...(details.lengths.length === 1
          ? {}
          : Object.fromEntries(
              details.lengths.flatMap((each) => Object.entries(valuesOf(each, `_${each.length}`))),
            )),
        ...(peak === null ? {} : { "decoding/peak_memory_bytes": peak }),
      },
      lines: [
        ...details.lengths.map(
          (each) =>
            `${each.length} tokens: first token ${each.first_token_ms.toFixed(1)} ms, then ${each.token_ms.toFixed(2)} ms each, ` +
            `${each.speedup.toFixed(2)} × as fast as ${whole} (${each.speedup_interval[0].toFixed(2)} to ${each.speedup_interval[1].toFixed(2)}); ` +
            `cache ${formatBytes(each.bytes)} of ${formatBytes(each.full_bytes)}`,
        ),
        `${hasExits ? "" : "cache "}${policy} on ${device}, ${options.new_tokens} new tokens, ${options.repeats} ${options.repeats === 1 ? "reading" : "readings"}${peak === null ? "" : `; memory grew by at most ${formatBytes(peak)}`}`,
      ],
      details,
    };
  },
});

/** In ascending order. */
function resolveLengths(shape: ModelShape, { lengths, new_tokens: more }: Options): number[] {
  const { context } = dimensionsOf(shape);
  const most = context - more;
  if (most < 1)
    throw new WorkbenchError(
      "invalid-input",
      `decoding.new_tokens is ${more}, but the model's context is ${context} tokens, prompt included. Lower new_tokens.`,
    );
  const tooLong = lengths?.find((length) => length > most);
  if (tooLong !== undefined)
    throw new WorkbenchError(
      "invalid-input",
      `decoding.lengths has ${tooLong} tokens, but with ${more} new tokens a prompt has at most ${most} in this model's context of ${context}. Lower the length or new_tokens.`,
    );
  const usual = usualLengths.filter((length) => length <= most);
  return (lengths ?? (usual.length > 0 ? usual : [most])).toSorted((a, b) => a - b);
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Decoding> {
  const lengths = resolveLengths(subject.shape, options);
  const { cache, exits } = subject.inference ?? {};
  const times: LengthTimes[] = [];
  for (const length of lengths) {
    times.push(await measureLength(subject, length, options, lab));
    lab.progress(times.length, lengths.length, "lengths timed");
  }
  const longest = lengths.at(-1)!;
  const peak = await measureMemoryGrowth(async () => {
    await using next = open(subject, longest, options, lab);
    const ids = createPrompt(subject, longest);
    for (let step = 0; step < 3; step++) await time(next, ids, lab.signal);
  });
  return {
    policy: exits === undefined ? (cache?.name ?? "full") : describeUse(exits),
    device: lab.engine.device.name,
    new_tokens: options.new_tokens,
    lengths: times,
    peak_memory_bytes: peak ?? null,
  };
}

function open(
  subject: Pick<Subject, "shape" | "tensors" | "inference">,
  length: number,
  { new_tokens: more }: Options,
  { engine, seed }: EvaluationLab,
): NextToken {
  const { exits } = subject.inference ?? {};
  // A text that ends would have no further tokens to time.
  const endless = exits && { ...subject, inference: { exits: { ...exits, stop: undefined } } };
  return openNextToken(engine, endless ?? subject, { batch: 1, slots: length + more }, [seed]);
}

/** Any ids, on which time does not depend, except with exits: then the beginning of the validation split. */
function createPrompt(
  { shape, data, inference }: Pick<Subject, "shape" | "data" | "inference">,
  length: number,
): number[] {
  const { vocabulary } = dimensionsOf(shape);
  if (inference?.exits === undefined) return Array.from({ length }, (_, i) => (i * 7919) % vocabulary);
  const split = getSplit(data, "validation");
  if (split.tokens >= length) return [...split.read(0, length)];
  throw new WorkbenchError(
    "invalid-input",
    `decoding.lengths has ${length} tokens, but the validation split, whose beginning is the prompt with inference.exits, has ${split.tokens}. Lower the length or provide more text.`,
  );
}

function describeUse({ threshold, confidence = "probability", draft, tokens }: InferenceExits): string {
  return draft === undefined
    ? `exits by ${confidence} at ${threshold!}`
    : `drafts of ${tokens ?? defaultDraftTokens} tokens after ${draft} ${draft === 1 ? "layer" : "layers"}`;
}

/** Milliseconds of the next token after `ids`, to which it then adds the most likely one. */
async function time(next: NextToken, ids: number[], signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  const logits = await next.logits([{ ids, isOpen: true }], signal);
  const elapsed = performance.now() - startedAt;
  ids.push(findMostLikely(logits));
  return elapsed;
}

const computeMedian = (values: readonly number[]): number => computeQuantile(values, 0.5);

async function measureLength(
  subject: Subject,
  length: number,
  options: Options,
  lab: EvaluationLab,
): Promise<LengthTimes> {
  const { cache, exits } = subject.inference ?? {};
  const isFull =
    exits === undefined &&
    (cache === undefined || (cache.policy.keepsAll === true && cache.store === undefined));
  const prompt = createPrompt(subject, length);
  await using full = open({ ...subject, inference: {} }, length, options, lab);
  await using policy = isFull ? undefined : open(subject, length, options, lab);
  const own = policy ?? full;
  const all = policy === undefined ? [full] : [full, policy];
  const [firsts, tokens] = [new Map<NextToken, number[]>(), new Map<NextToken, number[]>()];
  const add = (map: Map<NextToken, number[]>, next: NextToken, elapsed: number) =>
    map.set(next, [...(map.get(next) ?? []), elapsed]);
  // The first reading also compiles the programs.
  for (let reading = 0; reading <= options.repeats; reading++) {
    const texts = all.map(() => [...prompt]);
    for (const [i, next] of all.entries()) {
      next.forget();
      const elapsed = await time(next, texts[i]!, lab.signal);
      if (reading > 0) add(firsts, next, elapsed);
    }
    for (let token = 0; token < options.new_tokens; token++)
      // Alternate, so that other load on the machine affects both.
      for (const [i, next] of all.entries()) {
        const elapsed = await time(next, texts[i]!, lab.signal);
        if (reading > 0) add(tokens, next, elapsed);
      }
  }
  const [ownTimes, fullTimes] = [tokens.get(own)!, tokens.get(full)!];
  const average = exits === undefined ? computeMedian : computeMean;
  const ratio = (places: readonly number[]) => {
    const averageOf = (times: readonly number[]) => average(places.map((at) => times[at]!));
    return isFull ? 1 : averageOf(fullTimes) / averageOf(ownTimes);
  };
  const intervals = resampleIntervals(ownTimes.length, { resamples: 500, seed: lab.seed }, (places) => ({
    speedup: ratio(places),
  }))!;
  return {
    length,
    first_token_ms: computeMedian(firsts.get(own)!),
    token_ms: average(ownTimes),
    speedup: ratio(ownTimes.map((_, i) => i)),
    speedup_interval: intervals.speedup,
    bytes: own.cacheBytes,
    full_bytes: full.cacheBytes,
  };
}
