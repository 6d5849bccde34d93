/** What a model loses with the cache policy in force, token by token, beside the cache of all tokens. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { formatBytes } from "../../protocol/quantities";
import { computeMean } from "../../statistics/resampling";
import type { HeadLists, HeadScores } from "../caches/policy";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { CompactNextToken } from "./compactNextToken";
import { mixSeed } from "./generatedText";
import { fitsResults, type KeptTokens } from "./keptTokens";
import { defineMetric, type EvaluationLab, getSplit, getTokenizer, type Subject } from "./metric";
import { checkCache, openNextToken } from "./openNextToken";
import { findMostLikely } from "./sampling";

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to score."),
  context: z
    .int()
    .min(2)
    .optional()
    .describe("Tokens of a text. The default is `sequence_len`, at most the model's context."),
  prompt: z
    .int()
    .min(1)
    .optional()
    .describe(
      "Tokens at the start of each text that are read at once, as a prompt, and not scored. The default is half of `context`.",
    ),
  max_tokens: z
    .int()
    .min(2)
    .default(8192)
    .describe("Read only this many tokens, in whole texts, from the start of the split."),
  batch_size: z
    .int()
    .min(1)
    .default(8)
    .describe("Texts that are read at the same time. Affects only time and memory."),
});
type Options = z.output<typeof optionsSchema>;

export interface KeptHeads {
  /** Key-value heads of each layer. */
  readonly heads: HeadLists;
  /** The scores of query heads by which they were found; null if they were given. */
  readonly scores: HeadScores | null;
}

export interface CacheQuality {
  readonly policy: string;
  /** Nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Loss of the same tokens with the cache of all tokens. */
  readonly full_loss: number;
  /** Share of tokens of which both caches find the same one most likely. */
  readonly agreement: number;
  /** Mean Kullback-Leibler divergence of the predictions from those with the cache of all tokens, in nats. */
  readonly kl: number;
  /** Bytes of the cache at the end of a text. */
  readonly bytes: number;
  readonly full_bytes: number;
  /** Mean number of tokens in the cache of a head at the end of a text. */
  readonly tokens: number;
  readonly context: number;
  readonly prompt: number;
  readonly texts: number;
  readonly scored_tokens: number;
  /** Null for the cache of all tokens, and if there are too many to write. */
  readonly kept: KeptTokens | null;
  /** The heads that keep all tokens, if the policy has such heads. */
  readonly heads: KeptHeads | null;
}

export default defineMetric<Options, CacheQuality>({
  title: "Loss with a cache policy",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  inference: ["cache"],
  goals: {
    "cache/loss": "minimize",
    "cache/perplexity": "minimize",
    "cache/agreement": "maximize",
    "cache/kl": "minimize",
    "cache/bytes": "minimize",
    "cache/bytes_percent": "minimize",
    "cache/tokens": "minimize",
  },
  samples: [{ context: 8, prompt: 3, max_tokens: 40 }],
  checkModel: (shape) => requireNextToken(shape, "it has no cache"),
  countTokens: (shape, { context }, sequenceLength) =>
    context ?? (sequenceLength && resolveContext(shape, sequenceLength)),
  check: (subject, options) => {
    const { context, prompt } = resolveSizes(subject, options);
    checkCache(subject, [prompt], context);
  },
  evaluate: async (subject, options, lab) => {
    const { hash, isKeptTooLong, ...details } = await measure(subject, options, lab);
    const { policy, loss, perplexity, agreement, kl, bytes, full_bytes: fullBytes } = details;
    const { context, prompt } = details;
    const protocol = {
      data: subject.data!.title,
      split: options.split,
      hash,
      tokens: details.scored_tokens,
      method: `token by token after ${prompt} of ${context} tokens, tokenizer ${getTokenizer(subject).id}`,
    };
    return {
      values: {
        "cache/loss": loss,
        "cache/perplexity": perplexity,
        "cache/agreement": agreement,
        "cache/kl": kl,
        "cache/bytes": bytes,
        "cache/bytes_percent": (100 * bytes) / fullBytes,
        "cache/tokens": details.tokens,
      },
      lines: [
        `cache ${policy}: ${formatBytes(bytes)} at ${context} tokens, ${((100 * bytes) / fullBytes).toFixed(1)} % of all tokens' ${formatBytes(fullBytes)}`,
        `loss ${loss.toFixed(4)} nats/token (${details.full_loss.toFixed(4)} with all tokens), perplexity ${perplexity.toFixed(3)}; ` +
          `${(100 * agreement).toFixed(1)} % of the most likely tokens are the same, KL divergence ${kl.toFixed(4)} nats`,
        `${protocol.data}, ${options.split} split (ids ${hash.slice(0, 12)}), ${details.texts} texts, ${protocol.method}, ${details.scored_tokens} tokens scored`,
        ...(isKeptTooLong
          ? [
              "The tokens that each head keeps are too many to write. A shorter context or a smaller budget shows them.",
            ]
          : []),
      ],
      protocols: { "cache/loss": protocol, "cache/perplexity": protocol },
      details,
    };
  },
});

interface Sizes {
  readonly context: number;
  readonly prompt: number;
}

/** Tokens of a text by default. */
const resolveContext = (shape: ModelShape, sequenceLength: number): number =>
  Math.max(2, Math.min(sequenceLength, dimensionsOf(shape).context));

function resolveSizes({ shape, data }: Pick<Subject, "shape" | "data">, options: Options): Sizes {
  const { context: longest } = dimensionsOf(shape);
  const context =
    options.context ?? resolveContext(shape, getSplit(data, options.split).layout.sequenceLength);
  if (context > longest)
    throw new WorkbenchError(
      "unsupported",
      `cache.context is ${context} tokens, but the model has only ${longest} positions. Set it to at most ${longest}.`,
    );
  const prompt = options.prompt ?? Math.floor(context / 2);
  if (prompt >= context)
    throw new WorkbenchError(
      "invalid-input",
      `cache.prompt is ${prompt} tokens of a context of ${context}, so that none is left to score. Set prompt to at most ${context - 1}.`,
    );
  return { context, prompt };
}

async function measure(
  subject: Subject,
  options: Options,
  lab: EvaluationLab,
): Promise<CacheQuality & { readonly hash: string; readonly isKeptTooLong: boolean }> {
  requireNextToken(subject.shape, "it has no cache");
  const tokenizer = getTokenizer(subject);
  const { context, prompt } = resolveSizes(subject, options);
  checkCache(subject, [prompt], context);
  const texts = readTexts(subject, context, options);
  const { inference } = subject;
  const chosen = inference?.cache;
  const keepsAll = chosen === undefined || (chosen.policy.keepsAll === true && chosen.store === undefined);
  const sums = { loss: 0, fullLoss: 0, kl: 0, agreed: 0 };
  const scored = texts.length * (context - prompt);
  const kept: { tokens: KeptTokens | null; bytes: number; fullBytes: number } = {
    tokens: null,
    bytes: 0,
    fullBytes: 0,
  };
  let done = 0;
  for (let first = 0; first < texts.length; first += options.batch_size) {
    const some = texts.slice(first, first + options.batch_size);
    const sizes = { batch: some.length, slots: context };
    const seeds = some.map((_, i) => mixSeed(lab.seed, first + i));
    await using full = openNextToken(lab.engine, { ...subject, inference: {} }, sizes, seeds);
    await using own = keepsAll ? undefined : openNextToken(lab.engine, subject, sizes, seeds);
    for (let length = prompt; length < context; length++) {
      const growing = some.map((ids) => ({ ids: ids.slice(0, length), isOpen: true }));
      const wanted = await full.logits(growing, lab.signal);
      const got = (await own?.logits(growing, lab.signal)) ?? wanted;
      some.forEach((ids, i) =>
        addToken(sums, row(wanted, some.length, i), row(got, some.length, i), ids[length]!),
      );
      done += some.length;
      lab.progress(done, scored, "tokens");
    }
    if (first > 0) continue;
    kept.fullBytes = full.cacheBytes / some.length;
    kept.bytes = (own ?? full).cacheBytes / some.length;
    if (own instanceof CompactNextToken)
      kept.tokens = {
        tokens: some[0]!.map((id) => tokenizer.decode([id])),
        layers: await readFirstText(own, some.length),
      };
  }
  if (!Number.isFinite(sums.loss) || !Number.isFinite(sums.fullLoss))
    throw new WorkbenchError(
      "diverged",
      "The loss is not a number: the model's weights are broken, or too large for float32.",
    );
  const ids = Int32Array.from(texts.flat());
  const isKeptTooLong = kept.tokens !== null && !fitsResults(kept.tokens);
  return {
    policy: chosen?.name ?? "full",
    loss: sums.loss / scored,
    perplexity: Math.exp(sums.loss / scored),
    full_loss: sums.fullLoss / scored,
    agreement: sums.agreed / scored,
    kl: sums.kl / scored,
    bytes: kept.bytes,
    full_bytes: kept.fullBytes,
    tokens:
      kept.tokens === null ? context : computeMean(kept.tokens.layers.flat().map(({ length }) => length)),
    context,
    prompt,
    texts: texts.length,
    scored_tokens: scored,
    kept: isKeptTooLong ? null : kept.tokens,
    isKeptTooLong,
    heads: chosen?.heads === undefined ? null : { heads: chosen.heads, scores: chosen.headScores ?? null },
    hash: createHash("sha256").update(new Uint8Array(ids.buffer)).digest("hex"),
  };
}

const row = (logits: Float32Array, rows: number, i: number): Float32Array =>
  logits.subarray((i * logits.length) / rows, ((i + 1) * logits.length) / rows);

function readTexts(
  subject: Subject,
  context: number,
  { split: name, max_tokens: most }: Options,
): number[][] {
  const split = getSplit(subject.data, name);
  const count = Math.floor(Math.min(split.tokens, most) / context);
  if (count === 0)
    throw new WorkbenchError(
      "invalid-input",
      `The ${name} split has ${split.tokens} tokens, of which cache.max_tokens allows ${Math.min(split.tokens, most)}: too few for a text of ${context}. Provide more text, raise max_tokens, or lower cache.context.`,
    );
  const ids = split.read(0, count * context);
  return Array.from({ length: count }, (_, i) => [...ids.slice(i * context, (i + 1) * context)]);
}

/** Adds the losses of a token, and how far the prediction `got` is from `wanted`. */
function addToken(
  sums: { loss: number; fullLoss: number; kl: number; agreed: number },
  wanted: Float32Array,
  got: Float32Array,
  token: number,
): void {
  const [wantedSum, gotSum] = [computeLogSum(wanted), computeLogSum(got)];
  sums.fullLoss += wantedSum - wanted[token]!;
  sums.loss += gotSum - got[token]!;
  if (wanted !== got)
    wanted.forEach((logit, id) => {
      const logProbability = logit - wantedSum;
      sums.kl += Math.exp(logProbability) * (logProbability - (got[id]! - gotSum));
    });
  if (findMostLikely(wanted) === findMostLikely(got)) sums.agreed++;
}

/** ln Σ exp of the logits. */
function computeLogSum(logits: Float32Array): number {
  const top = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
}

/** The positions that are kept of the first of several texts. */
async function readFirstText(next: CompactNextToken, texts: number): Promise<number[][][]> {
  const layers = await next.readPositions();
  return layers.map((rows) => rows.slice(0, rows.length / texts));
}
