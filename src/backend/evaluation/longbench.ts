/**
 * LongBench on local files of its form (Bai et al., LongBench: A Bilingual, Multitask Benchmark for Long Context Understanding,
 * ACL 2024, arXiv 2308.14508): a model answers greedily what it is asked about a long context.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { computeMean } from "../../statistics/resampling";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { continuePrompts, greedyOptions } from "./generation";
import { createDocumentPlaces } from "./harness/documentFiles";
import { computeMeanError } from "./harness/standardError";
import { contextPlace, createPrompt } from "./longbench/createPrompt";
import { type LongBenchDocument, readLongBench } from "./longbench/documents";
import { type ScoreName, scorePrediction, scores } from "./longbench/scores";
import { defineMetric, type EvaluationLab, getTokenizer, type Subject } from "./metric";

const optionsSchema = z.strictObject({
  path: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
    .describe(
      "File, or list of files, with a row for each question: JSONL with the fields `input`, `context`, `answers`, and for LongBench's own datasets `dataset` and `all_classes`.",
    ),
  prompt: z
    .string()
    .refine((template) => template.split(contextPlace).length === 2, {
      error: `write ${contextPlace} once, and {input} where the question belongs`,
    })
    .default(`${contextPlace}\n\nQuestion: {input}\nAnswer:`)
    .describe(
      "Template of the prompts: `{context}` and `{input}` are the fields of a row. What follows `{context}` is the question, which prompt policies do not change.",
    ),
  score: z
    .enum(Object.keys(scores) as [ScoreName, ...ScoreName[]])
    .optional()
    .describe(
      "The score of all rows. The default is that of each row's dataset, and `qa_f1` for rows that name none.",
    ),
  max_length: z
    .int()
    .min(2)
    .optional()
    .describe(
      "Most tokens of a prompt; longer ones lose their middle. The default is what the model's context leaves for them.",
    ),
  max_new_tokens: z
    .int()
    .min(1)
    .optional()
    .describe("Tokens to generate for each row. The default is LongBench's for the dataset, from 32 to 512."),
  limit: z.int().min(1).optional().describe("Evaluate only this many rows, from the start of each file."),
  batch_size: z
    .int()
    .min(1)
    .default(8)
    .describe("Prompts that are answered together. Affects only time and memory."),
});
type Options = z.output<typeof optionsSchema>;

export interface DatasetResult {
  readonly dataset: string;
  readonly score: ScoreName;
  /** Mean over the documents, from 0 to 1. */
  readonly value: number;
  /** Null for a single document. */
  readonly stderr: number | null;
  readonly documents: number;
  /** Documents whose prompt lost its middle. */
  readonly cut: number;
  /** Mean number of tokens of a prompt, as the model read it. */
  readonly prompt_tokens: number;
}

export interface LongBench {
  readonly datasets: readonly DatasetResult[];
}

/** What `documents-longbench.jsonl` keeps of each row; the first five are what `lathe compare` reads. */
interface DocumentResult {
  readonly task: string;
  readonly doc_id: number;
  readonly doc_hash: string;
  readonly values: { readonly score: number };
  readonly resps: readonly [prediction: string];
  readonly answers: readonly string[];
  readonly id?: string;
  readonly length?: number;
  readonly prompt_tokens: number;
  readonly cut: boolean;
}

export default defineMetric<Options, LongBench>({
  title: "LongBench",
  options: optionsSchema,
  needs: ["tokenizer"],
  inference: ["cache", "prompt", "exits"],
  goals: { "longbench/score*": "maximize" },
  samples: [],
  checkModel: (shape) => requireNextToken(shape, "it cannot answer questions"),
  readsFiles: () => true,
  countTokens: (_shape, options) => options.max_new_tokens,
  check: async ({ shape }, options, places) => {
    const documents = await readLongBench(options, { ...places, signal: undefined });
    for (const document of documents) resolveLengths(shape, document, options);
  },
  evaluate: async (subject, options, lab) => {
    requireNextToken(subject.shape, "it cannot answer questions");
    getTokenizer(subject);
    const documents = await readLongBench(options, createDocumentPlaces(lab, undefined));
    const names = [...new Set(documents.map(({ dataset }) => dataset))];
    const results: DocumentResult[] = [];
    const datasets: DatasetResult[] = [];
    const lines: string[] = [];
    for (const name of names) {
      const some = documents.filter(({ dataset }) => dataset === name);
      const done = results.length;
      const progress: EvaluationLab["progress"] = (step, steps, what) =>
        lab.progress(done * steps + step * some.length, documents.length * steps, what);
      const answered = await answerDocuments(subject, some, options, { ...lab, progress });
      results.push(...answered);
      const summary = summarize(some[0]!, answered);
      datasets.push(summary);
      lines.push(formatDataset(summary));
      lab.log?.(lines.at(-1)!);
    }
    const all = results.map(({ values }) => values.score);
    const hash = createHash("sha256");
    for (const document of documents) hash.update(`${document.hash}\n`);
    return {
      values: {
        ...toValues("", computeMean(all), computeMeanError(all)),
        ...(datasets.length === 1
          ? {}
          : (Object.assign(
              {},
              ...datasets.map(({ dataset, value, stderr }) =>
                toValues(`_${dataset}`, value, stderr ?? undefined),
              ),
            ) as Record<`longbench/${string}`, number>)),
      },
      lines,
      protocols: {
        "longbench/score": {
          data: names.join(", "),
          split: "test",
          hash: hash.digest("hex"),
          tokens: documents.length,
          unit: "rows",
          method: describeMethod(datasets, options),
        },
      },
      details: { datasets },
      files: {
        "documents-longbench.jsonl": results.map((each) => `${JSON.stringify(each)}\n`).join(""),
      },
    };
  },
});

interface Lengths {
  /** Tokens of a prompt. */
  readonly most: number;
  readonly newTokens: number;
}

function resolveLengths(
  shape: ModelShape,
  { settings }: Pick<LongBenchDocument, "settings">,
  { max_length: length, max_new_tokens: newTokens = settings.tokens }: Options,
): Lengths {
  const { context } = dimensionsOf(shape);
  const room = context - newTokens;
  if (room < 2)
    throw new WorkbenchError(
      "invalid-input",
      `LongBench generates ${newTokens} tokens, but the model's context is ${context} tokens, prompt included. Set longbench.max_new_tokens to less.`,
    );
  if (length !== undefined && length > room)
    throw new WorkbenchError(
      "invalid-input",
      `longbench.max_length is ${length}, but with ${newTokens} new tokens a prompt has at most ${room} in this model's context of ${context}. Lower max_length or max_new_tokens.`,
    );
  return { most: length ?? room, newTokens };
}

/** Documents of one dataset. */
async function answerDocuments(
  subject: Subject,
  documents: readonly LongBenchDocument[],
  options: Options,
  lab: EvaluationLab,
): Promise<DocumentResult[]> {
  const tokenizer = getTokenizer(subject);
  const { most, newTokens } = resolveLengths(subject.shape, documents[0]!, options);
  const prompts = await Promise.all(
    documents.map((document) => createPrompt(options.prompt, document, tokenizer, most)),
  );
  const generation = { ...greedyOptions, max_new_tokens: newTokens, batch_size: options.batch_size };
  const continuations = await continuePrompts(subject, prompts, generation, lab);
  return continuations.map(({ text, prompt_tokens }, i) => {
    const { dataset, settings, answers, classes, hash, id, length } = documents[i]!;
    return {
      task: dataset,
      doc_id: i,
      doc_hash: hash,
      values: { score: scorePrediction(settings, text, answers, classes) },
      resps: [text],
      answers,
      ...(id === undefined ? {} : { id }),
      ...(length === undefined ? {} : { length }),
      prompt_tokens,
      cut: prompts[i]!.isCut,
    };
  });
}

function summarize(
  { dataset, settings }: LongBenchDocument,
  documents: readonly DocumentResult[],
): DatasetResult {
  const values = documents.map((each) => each.values.score);
  return {
    dataset,
    score: settings.score,
    value: computeMean(values),
    stderr: computeMeanError(values) ?? null,
    documents: documents.length,
    cut: documents.filter(({ cut }) => cut).length,
    prompt_tokens: computeMean(documents.map(({ prompt_tokens }) => prompt_tokens)),
  };
}

function toValues(suffix: string, value: number, error: number | undefined) {
  return {
    [`longbench/score${suffix}`]: value,
    ...(error === undefined ? {} : { [`longbench/score${suffix}_stderr`]: error }),
  } as Record<`longbench/${string}`, number>;
}

function formatDataset({
  dataset,
  score,
  value,
  stderr,
  documents,
  cut,
  prompt_tokens,
}: DatasetResult): string {
  const error = stderr === null ? "" : ` ± ${stderr.toFixed(4)}`;
  const shortened = cut === 0 ? "" : `, ${cut} cut in the middle`;
  return `${dataset}: ${score} ${value.toFixed(4)}${error}; ${documents} ${documents === 1 ? "document" : "documents"} of ${prompt_tokens.toFixed(0)} tokens on average${shortened}`;
}

/** Equal for models and policies that may be compared. */
function describeMethod(datasets: readonly DatasetResult[], options: Options): string {
  const { prompt, max_length: length, max_new_tokens: newTokens } = options;
  return [
    `scores ${[...new Set(datasets.map(({ score }) => score))].join(" and ")}`,
    `template ${createHash("sha256").update(prompt).digest("hex").slice(0, 8)}`,
    ...(length === undefined ? [] : [`prompts of at most ${length} tokens`]),
    ...(newTokens === undefined ? [] : [`${newTokens} new tokens`]),
  ].join(", ");
}
