/** Loss and perplexity of a text, with the protocol that makes two results comparable. */
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { countText, type TextCounts } from "../data/spaces";
import { refuseTokensWithoutRow } from "../data/tokenizers/vocabularyFit";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf } from "../models/model";
import { corpora, type CorpusName, readCorpus } from "./harness/corpora";
import { createDocumentPlaces, refuseMissingFiles } from "./harness/documentFiles";
import { HarnessEncoder } from "./harness/harnessEncoder";
import { defineMetric, type EvaluationLab, getSplit, type Subject, getTokenizer } from "./metric";
import {
  createProtocols,
  formatProtocol,
  getValuePrefix,
  type PerplexityProtocol,
  perplexityProtocols,
} from "./perplexityProtocol";
import {
  countTextUnits,
  createGptqWindows,
  createHarnessWindows,
  createStridedWindows,
  readPlainText,
  type TokenWindows,
} from "./perplexityText";
import { scoreWindows } from "./scoreWindows";

const optionsSchema = z
  .strictObject({
    protocol: z
      .enum(perplexityProtocols)
      .default("strided")
      .describe(
        "How the text is cut: `strided`, overlapping windows as in Hugging Face's guide to perplexity; `gptq`, windows of `context` tokens without overlap and without the rest, as GPTQ and later papers print it; `harness`, each document from BOS on, as lm-evaluation-harness measures it.",
      ),
    corpus: z
      .enum(Object.keys(corpora) as [CorpusName, ...CorpusName[]])
      .optional()
      .describe(
        "Text of the papers instead of the data cell's: the raw test split of WikiText-2 joined by two line ends, that of Penn Treebank joined by spaces, or the first 1,100 validation rows of C4 joined by spaces.",
      ),
    data_dir: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Folder with the rows of the corpus, such as `wikitext2/test.parquet`. Without it, they are downloaded from the hub, except those of C4.",
      ),
    add_bos: z
      .boolean()
      .optional()
      .describe(
        "Begin the text with the BOS token; with `harness` each document. The default is what the tokenizer does; of `strided` on a data cell, the tokens that training reads.",
      ),
    split: z.enum(["validation", "test", "train"]).default("validation").describe("Split to score."),
    context: z
      .int()
      .min(2)
      .optional()
      .describe(
        "Tokens per window. The default is `sequence_len`; of `gptq` and of a corpus 2,048, of `harness` the model's context. At most the model's context.",
      ),
    stride: z
      .int()
      .min(1)
      .optional()
      .describe(
        "Tokens between the starts of two windows of `strided`, at most `context`. The default is half of it.",
      ),
    max_tokens: z
      .int()
      .min(2)
      .optional()
      .describe("Score only this many tokens, from the start of the split."),
    batch_size: z
      .int()
      .min(1)
      .optional()
      .describe("Windows per batch. Affects only time and memory. The default is up to 8."),
    line_ends_as_words: z
      .boolean()
      .default(false)
      .describe("Count each line end as a word, as in word-level data sets with an end-of-sentence token."),
  })
  .superRefine(({ protocol, stride, corpus, data_dir: folder }, context) => {
    if (protocol !== "strided" && stride !== undefined)
      context.addIssue({
        code: "custom",
        path: ["stride"],
        message: `the windows of ${protocol} do not overlap; leave stride out, or set protocol to strided`,
        input: stride,
      });
    if (corpus === undefined && folder !== undefined)
      context.addIssue({
        code: "custom",
        path: ["data_dir"],
        message: "data_dir is for the rows of a corpus; name it in corpus, or leave data_dir out",
        input: folder,
      });
  });
type Options = z.output<typeof optionsSchema>;

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
  title: "Loss and perplexity",
  options: optionsSchema,
  needs: ["data", "tokenizer"],
  goals: Object.fromEntries(
    perplexityProtocols.flatMap((protocol) =>
      ["loss", "token", "word", "bits_per_byte"].map(
        (value) => [`${getValuePrefix(protocol)}/${value}`, "minimize"] as const,
      ),
    ),
  ),
  samples: [
    {},
    { context: 6, stride: 2, max_tokens: 40, split: "train" },
    { protocol: "gptq", context: 7, max_tokens: 40, add_bos: false },
  ],
  checkModel: (shape) => requireNextToken(shape, "it has no perplexity"),
  readsFiles: ({ corpus }) => corpus !== undefined,
  check: async (subject, options, { baseFolder }) => {
    const { corpus, data_dir: dataFolder } = options;
    resolveWindowSize(subject, options);
    if (corpus === undefined) getSplit(subject.data, options.split);
    else await refuseMissingFiles(corpora[corpus].data, corpora[corpus].split, { baseFolder, dataFolder });
  },
  evaluate: async (subject, options, lab) => {
    const details = await measure(subject, options, lab);
    const { loss, perplexity, word_perplexity: word, bits_per_byte: bits, protocol } = details;
    const prefix = getValuePrefix(protocol.protocol);
    return {
      values: {
        [`${prefix}/loss`]: loss,
        [`${prefix}/token`]: perplexity,
        ...(word === null ? {} : { [`${prefix}/word`]: word }),
        ...(bits === null ? {} : { [`${prefix}/bits_per_byte`]: bits }),
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

const formatPerplexity = (perplexity: number): string =>
  perplexity < 1e6 ? perplexity.toFixed(perplexity < 100 ? 3 : 1) : perplexity.toExponential(3);

/** The windows to score, and the sizes of their text. */
interface ScoredText extends TokenWindows {
  readonly title: string;
  readonly split: string;
  readonly counts: TextCounts;
  readonly tokens: number;
}

async function measure(subject: Subject, options: Options, lab: EvaluationLab): Promise<Perplexity> {
  requireNextToken(subject.shape, "it has no perplexity");
  const tokenizer = getTokenizer(subject);
  const size = resolveWindowSize(subject, options);
  const text = await readText(subject, size, options, lab);
  const { ids, counts, tokens } = text;
  const { total, scored } = await scoreWindows(subject, text, options.batch_size, lab);
  const loss = total / scored;
  // Extends the mean to every token with a predecessor, including the few that non-overlapping windows do not score.
  const nats = options.protocol === "harness" ? total : loss * (tokens - 1);
  const words = counts.words + (options.line_ends_as_words ? counts.lines : 0);
  // Papers print GPTQ's number per token alone, and what is left out has words too.
  const isPerToken = options.protocol === "gptq";
  return {
    loss,
    perplexity: Math.exp(loss),
    word_perplexity: words === 0 || isPerToken ? null : Math.exp(nats / words),
    bits_per_byte: counts.bytes === 0 || isPerToken ? null : nats / counts.bytes / Math.LN2,
    protocol: {
      protocol: options.protocol,
      data: text.title,
      split: text.split,
      hash: createHash("sha256")
        .update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength))
        .digest("hex"),
      tokenizer: tokenizer.id,
      tokenizer_hash: tokenizer.hash,
      add_bos: options.add_bos ?? null,
      ...size,
      tokens,
      scored_tokens: scored,
      words,
      bytes: counts.bytes,
      line_ends_as_words: options.line_ends_as_words,
    },
  };
}

async function readText(
  subject: Subject,
  { context, stride }: WindowSize,
  options: Options,
  lab: EvaluationLab,
): Promise<ScoredText> {
  const { protocol, corpus, add_bos: addBos } = options;
  const tokenizer = getTokenizer(subject);
  const maxTokens = options.max_tokens ?? Infinity;
  if (protocol === "strided" && corpus === undefined && addBos === undefined) {
    const split = getSplit(subject.data, options.split);
    const ids = split.read(0, Math.min(split.tokens, maxTokens));
    refuseShort(ids.length, options.split);
    const counts = countTextUnits(tokenizer, split, ids);
    const windows = createStridedWindows(ids, context, stride);
    return { ...windows, title: subject.data!.title, split: options.split, counts, tokens: ids.length };
  }
  const encoder = new HarnessEncoder(tokenizer, addBos);
  const { title, split, documents, counts } =
    corpus === undefined
      ? readSplitText(subject, encoder, options)
      : await readCorpusText(corpus, encoder, context, options, lab);
  const tokens = documents.reduce((sum, { length }) => sum + length, 0);
  refuseShort(tokens, split);
  refuseTokensWithoutRow(dimensionsOf(subject.shape).vocabulary, (rows) => {
    const id = documents.flatMap((ids) => ids.find((each) => each >= rows) ?? [])[0];
    return id === undefined ? undefined : { id, name: tokenizer.nameOf(id), place: title };
  });
  if (protocol === "harness") {
    const prefix = encoder.requirePrefix("protocol harness");
    return { ...createHarnessWindows(documents, prefix, context), title, split, counts, tokens };
  }
  if (documents.length > 1)
    throw new WorkbenchError(
      "invalid-input",
      `This protocol reads one text, but the ${split} split of ${title} has ${documents.length} documents, and how they are joined changes the result. Join them into one file, name a corpus, or set protocol to harness.`,
    );
  const ids = Int32Array.from(documents[0]!);
  const windows =
    protocol === "gptq" ? createGptqWindows(ids, context) : createStridedWindows(ids, context, stride);
  return { ...windows, title, split, counts, tokens };
}

interface FramedText {
  readonly title: string;
  readonly split: string;
  readonly documents: readonly (readonly number[])[];
  readonly counts: TextCounts;
}

function readSplitText(subject: Subject, encoder: HarnessEncoder, options: Options): FramedText {
  const split = getSplit(subject.data, options.split);
  const tokenizer = getTokenizer(subject);
  const { documents, counts } = readPlainText(split, tokenizer, options.max_tokens ?? Infinity);
  const { before, after } = encoder.frame;
  return {
    title: subject.data!.title,
    split: options.split,
    documents: documents.map((ids) => [...before, ...ids, ...after]),
    counts,
  };
}

async function readCorpusText(
  name: CorpusName,
  encoder: HarnessEncoder,
  context: number,
  { data_dir: dataFolder, max_tokens: maxTokens = Infinity }: Options,
  lab: EvaluationLab,
): Promise<FramedText> {
  const { text, windows } = await readCorpus(name, createDocumentPlaces(lab, dataFolder));
  const [ids] = (await encoder.encodeAll([text])) as [number[]];
  const limit = Math.min(maxTokens, windows * context);
  const read = ids.length <= limit ? text : encoder.decode(ids.slice(0, limit));
  return {
    title: name,
    split: corpora[name].split,
    documents: [ids.slice(0, limit)],
    counts: countText(read),
  };
}

function refuseShort(tokens: number, split: string): void {
  if (tokens >= 2) return;
  throw new WorkbenchError(
    "invalid-input",
    `The ${split} split has ${tokens} tokens, but scoring needs at least 2. Provide more text.`,
  );
}

interface WindowSize {
  readonly context: number;
  readonly stride: number;
}

/** Tokens of a window in papers. */
const usualContext = 2048;

function resolveWindowSize({ shape, data }: Pick<Subject, "shape" | "data">, options: Options): WindowSize {
  const { protocol, corpus } = options;
  const { context: maxLength } = dimensionsOf(shape);
  const usual =
    protocol === "harness"
      ? maxLength
      : protocol === "gptq" || corpus !== undefined
        ? usualContext
        : getSplit(data, options.split).layout.sequenceLength;
  const context = options.context ?? Math.max(2, Math.min(usual, maxLength));
  if (context > maxLength)
    throw new WorkbenchError(
      "unsupported",
      `A context of ${context} is longer than the model's ${maxLength} positions. Set context to at most ${maxLength}.`,
    );
  const stride = protocol === "strided" ? (options.stride ?? Math.ceil(context / 2)) : context;
  if (stride > context)
    throw new WorkbenchError(
      "invalid-input",
      `With a stride of ${stride}, windows of ${context} tokens do not score every token. Set stride to at most ${context}.`,
    );
  return { context, stride };
}
