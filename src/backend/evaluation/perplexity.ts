/**
 * Loss and perplexity of a text by strided windows, with the protocol that makes two results comparable. The windows are
 * those of Hugging Face's guide to perplexity: with a stride of the whole context they do not overlap.
 */
import type { LossProtocol, LossProtocols } from "../../protocol/lossProtocol";
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { countText } from "../data/spaces";
import { IGNORED, type Split } from "../data/split";
import { getDocumentFrame, type Tokenizer } from "../data/tokenizers/tokenizer";
import { input } from "../graph/op";
import { crossEntropy } from "../graph/ops/loss";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { ForwardProgram } from "./forwardProgram";
import { defineMetric, type EvaluationLab, getSplit, type Subject, getTokenizer } from "./metric";
import { splitWindow, createWindows } from "./windows";

const optionsSchema = z.strictObject({
  split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to score."),
  context: z
    .int()
    .min(2)
    .optional()
    .describe("Tokens per window. The default is `sequence_len`, or the model's context if that is shorter."),
  stride: z
    .int()
    .min(1)
    .optional()
    .describe("Tokens between the starts of two windows, at most `context`. The default is half of it."),
  max_tokens: z.int().min(2).optional().describe("Score only this many tokens, from the start of the split."),
  batch_size: z
    .int()
    .min(1)
    .optional()
    .describe("Windows per batch. Affects only time and memory. The default is up to 8."),
  line_ends_as_words: z
    .boolean()
    .default(false)
    .describe("Count each line end as a word, as in word-level data sets with an end-of-sentence token."),
});
type Options = z.output<typeof optionsSchema>;

/** Everything that a result depends on besides the model: equal protocols make results comparable. */
export interface PerplexityProtocol {
  readonly data: string;
  readonly split: string;
  /** Hash of the token ids that were read. */
  readonly hash: string;
  readonly tokenizer: string;
  readonly tokenizer_hash: string;
  readonly context: number;
  readonly stride: number;
  readonly tokens: number;
  readonly scored_tokens: number;
  readonly words: number;
  readonly bytes: number;
  readonly line_ends_as_words: boolean;
}

export interface Perplexity {
  /** Nats per token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Null if the text has no words. */
  readonly word_perplexity: number | null;
  readonly bits_per_byte: number | null;
  readonly protocol: PerplexityProtocol;
}

export default defineMetric<Options, Perplexity>({
  title: "Loss and perplexity by strided windows",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  goals: {
    "perplexity/loss": "minimize",
    "perplexity/token": "minimize",
    "perplexity/word": "minimize",
    "perplexity/bits_per_byte": "minimize",
  },
  samples: [{}, { context: 6, stride: 2, max_tokens: 40, split: "train" }],
  checkModel: (shape) => requireNextToken(shape, "it has no perplexity"),
  check: ({ shape, data }, options) => {
    resolveWindowSize(shape, getSplit(data, options.split), options);
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { loss, perplexity, word_perplexity: word, bits_per_byte: bits, protocol } = details;
    return {
      values: {
        "perplexity/loss": loss,
        "perplexity/token": perplexity,
        ...(word === null ? {} : { "perplexity/word": word }),
        ...(bits === null ? {} : { "perplexity/bits_per_byte": bits }),
      },
      lines: [
        `perplexity ${formatPerplexity(perplexity)} per token` +
          `${word === null ? "" : `, ${formatPerplexity(word)} per word`}; loss ${loss.toFixed(4)} nats/token` +
          (bits === null ? "" : `, ${bits.toFixed(4)} bits/byte`),
        formatProtocol(protocol),
      ],
      protocols: createProtocols(protocol),
      details,
    };
  },
});

/** Losses per token are of one tokenizer; those per word and per byte are of the text, whatever the tokenizer. */
function createProtocols(protocol: PerplexityProtocol): LossProtocols {
  const { data, split, context, stride, tokenizer, bytes, words } = protocol;
  const windows = `context ${context}, stride ${stride}`;
  const perToken: LossProtocol = {
    data,
    split,
    hash: protocol.hash,
    tokens: protocol.scored_tokens,
    method: `${windows}, tokenizer ${tokenizer}`,
  };
  const text = createHash("sha256")
    .update(JSON.stringify([data, split, bytes, words]))
    .digest("hex");
  const perText: LossProtocol = {
    ...perToken,
    hash: text,
    method: `${windows}${protocol.line_ends_as_words ? ", line ends as words" : ""}`,
  };
  return {
    "perplexity/loss": perToken,
    "perplexity/token": perToken,
    "perplexity/word": perText,
    "perplexity/bits_per_byte": perText,
  };
}

/** One line that describes the protocol, to print with each result. */
export function formatProtocol(protocol: PerplexityProtocol): string {
  const { data, split, hash, tokenizer, context, stride, tokens, scored_tokens: scored } = protocol;
  const words = `${protocol.words} words${protocol.line_ends_as_words ? " with line ends" : ""}`;
  return (
    `${data}, ${split} split (ids ${hash.slice(0, 12)}), context ${context}, stride ${stride}, tokenizer ${tokenizer}, ` +
    `${scored} of ${tokens} tokens scored, ${words}, ${protocol.bytes} bytes`
  );
}

const formatPerplexity = (perplexity: number): string =>
  perplexity < 1e6 ? perplexity.toFixed(perplexity < 100 ? 3 : 1) : perplexity.toExponential(3);

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Perplexity> {
  requireNextToken(subject.shape, "it has no perplexity");
  const split = getSplit(subject.data, options.split);
  const tokenizer = getTokenizer(subject);
  const { context, stride } = resolveWindowSize(subject.shape, split, options);
  const ids = split.read(0, Math.min(split.tokens, options.max_tokens ?? Infinity));
  if (ids.length < 2)
    throw new WorkbenchError(
      "invalid-input",
      `The ${options.split} split has ${ids.length} tokens, but scoring needs at least 2. Provide more text.`,
    );
  const { total, scored } = await score(subject, ids, { context, stride, batch: options.batch_size }, lab);
  const loss = total / scored;
  // Extends the mean to every token with a predecessor, including the few that non-overlapping windows do not score.
  const nats = loss * (ids.length - 1);
  const { words, bytes, lines } = countTextUnits(tokenizer, split, ids);
  const counted = words + (options.line_ends_as_words ? lines : 0);
  return {
    loss,
    perplexity: Math.exp(loss),
    word_perplexity: counted === 0 ? null : Math.exp(nats / counted),
    bits_per_byte: bytes === 0 ? null : nats / bytes / Math.LN2,
    protocol: {
      data: subject.data!.title,
      split: options.split,
      hash: createHash("sha256")
        .update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength))
        .digest("hex"),
      tokenizer: tokenizer.id,
      tokenizer_hash: tokenizer.hash,
      context,
      stride,
      tokens: ids.length,
      scored_tokens: scored,
      words: counted,
      bytes,
      line_ends_as_words: options.line_ends_as_words,
    },
  };
}

function resolveWindowSize(
  shape: ModelShape,
  split: Split,
  options: Options,
): { context: number; stride: number } {
  const { context: maxLength } = dimensionsOf(shape);
  const context = options.context ?? Math.max(2, Math.min(split.layout.sequenceLength, maxLength));
  if (context > maxLength)
    throw new WorkbenchError(
      "unsupported",
      `A context of ${context} is longer than the model's ${maxLength} positions. Set context to at most ${maxLength}.`,
    );
  const stride = options.stride ?? Math.ceil(context / 2);
  if (stride > context)
    throw new WorkbenchError(
      "invalid-input",
      `With a stride of ${stride}, windows of ${context} tokens do not score every token. Set stride to at most ${context}.`,
    );
  return { context, stride };
}

interface WindowSize {
  readonly context: number;
  readonly stride: number;
  readonly batch: number | undefined;
}

/** Sum of the nats of all scored tokens. */
async function score(
  subject: Subject,
  ids: Int32Array,
  { context, stride, batch: requestedBatch }: WindowSize,
  lab: EvaluationLab,
): Promise<{ total: number; scored: number }> {
  const time = Math.min(context, ids.length);
  const share = Math.min(stride, time - 1);
  const windows = [...createWindows(ids.length, context, stride)].flatMap((window) => [
    ...splitWindow(window, share),
  ]);
  const batch = Math.min(requestedBatch ?? computeDefaultBatch(subject.shape, share), windows.length);
  const rows = batch * share;
  await using program = await ForwardProgram.open(lab.engine, subject, { batch, time, rows }, (logits) =>
    crossEntropy(logits, input("labels", [rows], "int32")),
  );
  let total = 0;
  let scored = 0;
  for (let first = 0; first < windows.length; first += batch) {
    const feeds = {
      tokens: new Int32Array(batch * time),
      rows: new Int32Array(rows),
      labels: new Int32Array(rows).fill(IGNORED),
    };
    windows.slice(first, first + batch).forEach(({ start, from, to }, i) => {
      // The text is followed by padding, which no earlier token attends to.
      feeds.tokens.set(ids.subarray(start, start + time), i * time);
      feeds.labels.set(ids.subarray(from, to), i * share);
      for (let token = from; token < to; token++)
        feeds.rows[i * share + token - from] = i * time + token - 1 - start;
      scored += to - from;
    });
    for (const nats of await program.run(feeds, lab.signal)) total += nats;
    if (!Number.isFinite(total))
      throw new WorkbenchError(
        "diverged",
        `The loss is not a number from token ${windows[first]!.from} on: the model's weights are broken, or too large for float32.`,
      );
    lab.progress(Math.min(first + batch, windows.length), windows.length, "windows");
  }
  return { total, scored };
}

/** As many windows as fit their logits in 256 MiB, at most 8. */
function computeDefaultBatch(shape: ModelShape, rows: number): number {
  const { vocabulary } = dimensionsOf(shape);
  return Math.max(1, Math.min(8, Math.floor(2 ** 26 / (rows * vocabulary))));
}

/**
 * Words, lines and bytes of the text of the first ids of a split. Counted in the original text, because the ids of some
 * tokenizers do not decode to it; for a piece that is only partly used, counted in the decoded ids.
 */
function countTextUnits(
  tokenizer: Tokenizer,
  split: Split,
  ids: Int32Array,
): { words: number; lines: number; bytes: number } {
  const { before, after } = getDocumentFrame(tokenizer);
  const borders = new Set([...before, ...after]);
  const { counts, end: first } = split.countsWithin(ids.length);
  const total = { ...counts };
  for (let start = first; start < ids.length; start++) {
    let end = start;
    while (end < ids.length && !borders.has(ids[end]!)) end++;
    const { words, lines, bytes } = countText(tokenizer.decode(ids.subarray(start, end)));
    total.words += words;
    total.lines += lines;
    total.bytes += bytes;
    start = end;
  }
  return total;
}
