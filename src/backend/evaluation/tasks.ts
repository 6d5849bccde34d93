/** Zero-shot and few-shot tasks with the prompts, splits and scoring of lm-evaluation-harness. */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { requireNextToken } from "../models/classifier";
import { dimensionsOf, type ModelShape } from "../models/model";
import { createDocumentPlaces, readDocuments, refuseMissingFiles } from "./harness/documentFiles";
import { getExampleSplit } from "./harness/prompts";
import { type DocumentResult, scorePart, type TaskScoring } from "./harness/scoreTask";
import { formatTask, summarizeTask, type TaskResult } from "./harness/summarizeTask";
import { getEvaluatedSplit, harnessVersion, listTaskValues, type Task, type TaskPart } from "./harness/task";
import { defineMetric, type EvaluationLab, getTokenizer, type Subject } from "./metric";
import { tasks } from "./tasks/catalog";

const optionsSchema = z.strictObject({
  names: z
    .array(z.enum(Object.keys(tasks) as [string, ...string[]]))
    .min(1)
    .refine((names) => new Set(names).size === names.length, { error: "name each task once" })
    .describe("Tasks, by their names in lm-evaluation-harness."),
  num_fewshot: z
    .int()
    .min(0)
    .optional()
    .describe(
      "Solved examples before each question. The default is that of the task: 5 for gsm8k, otherwise 0.",
    ),
  limit: z
    .int()
    .min(1)
    .optional()
    .describe("Evaluate only this many rows, from the start of the split; of mmlu, of each subject."),
  data_dir: z
    .string()
    .min(1)
    .optional()
    .describe(
      "Folder with the rows of the tasks as JSONL, Parquet or CSV files, such as `arc_easy/test.jsonl`. Without it, the data sets are downloaded from the hub.",
    ),
  fewshot_seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(1234)
    .describe("Seed for drawing examples, with the generator of Python."),
  max_length: z
    .int()
    .min(2)
    .optional()
    .describe(
      "Most tokens that the model reads at once; longer texts lose their start. The default is the model's context.",
    ),
  add_bos_token: z
    .boolean()
    .optional()
    .describe("Begin each text with the BOS token. The default is what the tokenizer does."),
  batch_size: z
    .int()
    .min(1)
    .optional()
    .describe("Texts per batch. Affects only time and memory. The default is 16."),
  bootstrap_iters: z
    .int()
    .min(0)
    .default(1000)
    .describe("Bootstrap resamples for the standard error of a perplexity; 0 disables it."),
});
type Options = z.output<typeof optionsSchema>;

export interface Tasks {
  /** The release of lm-evaluation-harness whose rules the results follow. */
  readonly harness_version: string;
  readonly max_length: number;
  readonly results: Readonly<Record<string, TaskResult>>;
}

export default defineMetric<Options, Tasks>({
  title: "Tasks of lm-evaluation-harness",
  options: optionsSchema,
  needs: ["tokenizer"],
  goals: Object.fromEntries(
    Object.entries(tasks).flatMap(([name, task]) =>
      [name, ...listGroups(task)].flatMap((owner) =>
        Object.entries(listTaskValues(task)).map(([value, goal]) => [`${owner}/${value}`, goal] as const),
      ),
    ),
  ),
  samples: [],
  checkModel: (shape) => requireNextToken(shape, "it cannot score continuations"),
  readsFiles: ({ data_dir: folder }) => folder !== undefined,
  check: async ({ shape }, options, { baseFolder }) => {
    resolveMaxLength(shape, options);
    const { data_dir: dataFolder } = options;
    for (const name of options.names) {
      const task = tasks[name]!;
      const splits = new Set([getEvaluatedSplit(task)]);
      if (countExamples(task, options) > 0) splits.add(getExampleSplit(task));
      for (const { data } of task.parts)
        for (const split of splits) await refuseMissingFiles(data, split, { baseFolder, dataFolder });
    }
  },
  evaluate: async (subject, options, lab) => {
    getTokenizer(subject);
    const maxLength = resolveMaxLength(subject.shape, options);
    const results: Record<string, TaskResult> = {};
    const files: Record<string, string> = {};
    const lines: string[] = [];
    for (const name of options.names) {
      const task = tasks[name]!;
      const documents = await evaluateTask(task, subject, { ...options, maxLength }, lab);
      const result = summarizeTask(name, task, documents, {
        fewshot: countExamples(task, options),
        seed: options.fewshot_seed,
        resamples: options.bootstrap_iters,
        addBos: options.add_bos_token,
        maxLength: options.max_length,
      });
      results[name] = result;
      files[`documents-${name}.jsonl`] = documents.map((each) => `${JSON.stringify(each)}\n`).join("");
      const text = formatTask(name, task, result);
      for (const line of text) lab.log?.(line);
      lines.push(...text);
    }
    lines.push(`Prompts, splits and scoring of lm-evaluation-harness ${harnessVersion}.`);
    return {
      values: Object.assign(
        {},
        ...Object.values(results).map(({ values }) => values),
      ) as TaskResult["values"],
      lines,
      protocols: Object.assign(
        {},
        ...Object.values(results).map(({ protocols }) => protocols),
      ) as TaskResult["protocols"],
      details: { harness_version: harnessVersion, max_length: maxLength, results },
      files,
    };
  },
});

function listGroups(task: Task): string[] {
  return [...new Set(task.parts.flatMap(({ group }) => group ?? []))];
}

function countExamples(task: Task, { num_fewshot: count }: Pick<Options, "num_fewshot">): number {
  return task.kind === "text" ? 0 : (count ?? task.fewshot ?? 0);
}

function resolveMaxLength(shape: ModelShape, { max_length: length }: Pick<Options, "max_length">): number {
  const { context } = dimensionsOf(shape);
  if (length === undefined || length <= context) return length ?? context;
  throw new WorkbenchError(
    "unsupported",
    `max_length ${length} is longer than the model's ${context} positions. Set it to at most ${context}, or leave it out.`,
  );
}

async function evaluateTask(
  task: Task,
  subject: Subject,
  options: Options & { readonly maxLength: number },
  lab: EvaluationLab,
): Promise<DocumentResult[]> {
  const scoring: TaskScoring = {
    count: countExamples(task, options),
    seed: options.fewshot_seed,
    maxLength: options.maxLength,
    batchSize: options.batch_size,
    addBos: options.add_bos_token,
  };
  const results: DocumentResult[] = [];
  for (const [i, part] of task.parts.entries()) {
    const place = task.parts.length === 1 ? "" : ` (${i + 1} of ${task.parts.length})`;
    const placed: EvaluationLab = {
      ...lab,
      progress: (done, total, what) => lab.progress(done, total, `${what}${place}`),
    };
    const documents = await readPart(task, part, options, placed);
    results.push(...(await scorePart(task, part, documents, subject, scoring, placed)));
  }
  return results;
}

async function readPart(
  task: Task,
  part: TaskPart,
  options: Options,
  lab: EvaluationLab,
): Promise<Parameters<typeof scorePart>[2]> {
  const places = createDocumentPlaces(lab, options.data_dir);
  const split = getEvaluatedSplit(task);
  const documents = await readDocuments(part.data, split, places, options.limit);
  const pool =
    countExamples(task, options) === 0 ? [] : await readDocuments(part.data, getExampleSplit(task), places);
  return { documents, pool };
}
