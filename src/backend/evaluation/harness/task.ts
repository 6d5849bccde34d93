/**
 * Interface of a task: where its documents are, and the requests that lm-evaluation-harness makes of one. Each task is one
 * file in `tasks/`, named as the harness names it.
 */
import type { Goal } from "../../../schema/goal";
import type { TaskDocument } from "./document";

/** The release whose prompts, splits, normalization and tokenization the tasks follow. */
export const harnessVersion = "0.4.13";

export interface TaskData {
  /** Folder of local files, below `data_dir`. */
  readonly folder: string;
  /** Id of the data set on the hub. */
  readonly hub: string;
  /** One of several sets under the id. */
  readonly config?: string;
  /** The file to place by hand, where the data set is not downloaded. */
  readonly file?: string;
  readonly license: string;
}

/** Names of the splits that the harness declares. Their presence also decides which documents are drawn as examples. */
export interface TaskSplits {
  readonly training?: string;
  readonly validation?: string;
  readonly test?: string;
  /** Where the examples are, if the task names a split for them. */
  readonly fewshot?: string;
}

/** What the harness asks about a document. */
export interface Choices {
  readonly context: string;
  readonly choices: readonly string[];
  /** Place of the right choice. */
  readonly gold: number;
}

/** A question whose choices complete the context, followed by the same text for each. */
export interface Contexts {
  readonly contexts: readonly string[];
  readonly continuation: string;
  readonly gold: number;
}

/** A context with one right continuation, which includes its leading space. */
export interface Cloze {
  readonly context: string;
  readonly continuation: string;
}

/** A text to score as a whole. */
export interface WholeText {
  readonly text: string;
  /** Sizes that the log-likelihood is divided by. */
  readonly words: number;
  readonly bytes: number;
}

/** A question to answer by generated text. */
export interface OpenQuestion {
  readonly context: string;
  readonly answer: string;
}

interface TaskInfo {
  readonly title: string;
  /** The harness's own version of the task. */
  readonly version: string;
  readonly splits: TaskSplits;
  /** Takes examples from the start of their split instead of at random. */
  readonly firstExamples?: boolean;
  /** Number of examples if `num_fewshot` is not set. */
  readonly fewshot?: number;
  /** One part, or the sets that the task averages by their sizes. */
  readonly parts: readonly TaskPart[];
}

export interface TaskPart {
  readonly name: string;
  readonly data: TaskData;
  /** Text before everything else. */
  readonly description?: string;
  /** Name of a subtotal that includes this part. */
  readonly group?: string;
}

interface AnswerFilter {
  /** `strict`: the value's name after `exact_match_`. */
  readonly name: string;
  extract(text: string): string;
}

export type Task = TaskInfo &
  (
    | {
        readonly kind: "choices";
        /** Whether the harness also reports accuracy normalized by length. */
        readonly normalized: boolean;
        read(document: TaskDocument): Choices;
      }
    | { readonly kind: "contexts"; read(document: TaskDocument): Contexts }
    | { readonly kind: "cloze"; read(document: TaskDocument): Cloze }
    | { readonly kind: "text"; read(document: TaskDocument): WholeText }
    | {
        readonly kind: "generation";
        /** Texts that end an answer. */
        readonly until: readonly string[];
        readonly filters: readonly AnswerFilter[];
        /** What remains of an answer to compare. */
        normalize(text: string): string;
        read(document: TaskDocument): OpenQuestion;
      }
  );

export type TaskOf<K extends Task["kind"]> = Extract<Task, { kind: K }>;

export function defineTask(task: Task): Task {
  return task;
}

/** The split whose documents are evaluated. */
export function getEvaluatedSplit({ splits }: Pick<Task, "splits">): string {
  return (splits.test ?? splits.validation)!;
}

/** Values of a task with the direction that is better; each except those of whole texts has a standard error. */
export function listTaskValues(task: Task): Readonly<Record<string, Goal>> {
  switch (task.kind) {
    case "choices":
      return task.normalized
        ? { acc: "maximize", acc_norm: "maximize", acc_bytes: "maximize", acc_tokens: "maximize" }
        : { acc: "maximize" };
    case "contexts":
      return { acc: "maximize" };
    case "cloze":
      return { perplexity: "minimize", acc: "maximize" };
    case "text":
      return { word_perplexity: "minimize", byte_perplexity: "minimize", bits_per_byte: "minimize" };
    case "generation":
      return Object.fromEntries(task.filters.map(({ name }) => [`exact_match_${name}`, "maximize"] as const));
  }
}
