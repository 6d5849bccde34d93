/** Time and memory of generation at several lengths, beside the cache of all tokens, timed alternately. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { formatBytes } from "../../protocol/quantities";
import { computeQuantile, type Interval, resampleIntervals } from "../../statistics/resampling";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { defineMetric, type EvaluationLab, type Subject } from "./metric";
import type { NextToken } from "./nextToken";
import { checkCache, openNextToken } from "./openNextToken";
import { measureMemoryGrowth } from "./passes";

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
  /** Milliseconds of each further token. */
  readonly token_ms: number;
  /** Time of a token with the cache of all tokens divided by that with the policy; 1 without a policy. */
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
  inference: ["cache"],
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
    for (const length of resolveLengths(subject.shape, options))
      checkCache(subject, [length], length + options.new_tokens);
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { policy, device, peak_memory_bytes: peak } = details;
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
            `${each.speedup.toFixed(2)} × as fast as with all tokens (${each.speedup_interval[0].toFixed(2)} to ${each.speedup_interval[1].toFixed(2)}); ` +
            `cache ${formatBytes(each.bytes)} of ${formatBytes(each.full_bytes)}`,
        ),
        `cache ${policy} on ${device}, ${options.new_tokens} new tokens, ${options.repeats} ${options.repeats === 1 ? "reading" : "readings"}${peak === null ? "" : `; memory grew by at most ${formatBytes(peak)}`}`,
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
  const { cache } = subject.inference ?? {};
  const times: LengthTimes[] = [];
  for (const length of lengths) {
    times.push(await measureLength(subject, length, options, lab));
    lab.progress(times.length, lengths.length, "lengths timed");
  }
  const longest = lengths.at(-1)!;
  const peak = await measureMemoryGrowth(async () => {
    await using next = open(subject, longest, options, lab);
    const ids = createPrompt(subject.shape, longest);
    for (let step = 0; step < 3; step++) await time(next, ids, lab.signal);
  });
  return {
    policy: cache?.name ?? "full",
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
  return openNextToken(engine, subject, { batch: 1, slots: length + more }, [seed]);
}

/** Any ids: time does not depend on them. */
function createPrompt(shape: ModelShape, length: number): number[] {
  const { vocabulary } = dimensionsOf(shape);
  return Array.from({ length }, (_, i) => (i * 7919) % vocabulary);
}

/** Milliseconds of the next token after `ids`, to which it then adds one. */
async function time(next: NextToken, ids: number[], signal: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  await next.logits([{ ids, isOpen: true }], signal);
  const elapsed = performance.now() - startedAt;
  ids.push(ids[0]!);
  return elapsed;
}

async function measureLength(
  subject: Subject,
  length: number,
  options: Options,
  lab: EvaluationLab,
): Promise<LengthTimes> {
  const { cache } = subject.inference ?? {};
  const isFull = cache === undefined || (cache.policy.keepsAll === true && cache.store === undefined);
  await using full = open({ ...subject, inference: {} }, length, options, lab);
  await using policy = isFull ? undefined : open(subject, length, options, lab);
  const own = policy ?? full;
  const all = policy === undefined ? [full] : [full, policy];
  const [firsts, tokens] = [new Map<NextToken, number[]>(), new Map<NextToken, number[]>()];
  const add = (map: Map<NextToken, number[]>, next: NextToken, elapsed: number) =>
    map.set(next, [...(map.get(next) ?? []), elapsed]);
  // The first reading also compiles the programs.
  for (let reading = 0; reading <= options.repeats; reading++) {
    const texts = all.map(() => createPrompt(subject.shape, length));
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
  const ratio = (places: readonly number[]) => {
    const medianOf = (times: readonly number[]) =>
      computeQuantile(
        places.map((at) => times[at]!),
        0.5,
      );
    return isFull ? 1 : medianOf(fullTimes) / medianOf(ownTimes);
  };
  const intervals = resampleIntervals(ownTimes.length, { resamples: 500, seed: lab.seed }, (places) => ({
    speedup: ratio(places),
  }))!;
  return {
    length,
    first_token_ms: computeQuantile(firsts.get(own)!, 0.5),
    token_ms: computeQuantile(ownTimes, 0.5),
    speedup: ratio(ownTimes.map((_, i) => i)),
    speedup_interval: intervals.speedup,
    bytes: own.cacheBytes,
    full_bytes: full.cacheBytes,
  };
}
