/** Sums up the documents of a task: its numbers with their standard errors, by the rules of lm-evaluation-harness. */
import { createHash } from "node:crypto";
import type { LossProtocol, LossProtocols } from "../../../protocol/lossProtocol";
import { computeMean } from "../../../statistics/resampling";
import type { DocumentResult } from "./scoreTask";
import { computeBootstrapError, computeMeanError, poolErrors } from "./standardError";
import { getEvaluatedSplit, harnessVersion, listTaskValues, type Task } from "./task";

export interface TaskResult {
  readonly title: string;
  /** The harness's own version of the task. */
  readonly version: string;
  readonly split: string;
  readonly documents: number;
  readonly num_fewshot: number;
  /** Numbers by `<task>/<value>`, and their standard errors by `<task>/<value>_stderr`. */
  readonly values: Readonly<Record<`${string}/${string}`, number>>;
  /** Of each part, where the task has several. */
  readonly parts?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly protocols: LossProtocols;
}

export interface SummaryOptions {
  readonly fewshot: number;
  readonly seed: number;
  readonly resamples: number;
  readonly addBos: boolean | undefined;
  /** Where it is not the context of the model. */
  readonly maxLength: number | undefined;
}

interface Value {
  readonly value: number;
  readonly error: number | undefined;
}

export function summarizeTask(
  name: string,
  task: Task,
  documents: readonly DocumentResult[],
  options: SummaryOptions,
): TaskResult {
  const keys = Object.keys(listTaskValues(task));
  const byPart = new Map(
    task.parts.map(
      (part) => [part.name, documents.filter(({ task: owner }) => owner === part.name)] as const,
    ),
  );
  const summarize = (some: readonly DocumentResult[]) =>
    new Map(keys.map((key) => [key, summarizeValue(key, some, options.resamples)]));
  const groups = new Map<string, string[]>([[name, task.parts.map((part) => part.name)]]);
  for (const part of task.parts)
    if (part.group !== undefined) groups.set(part.group, [...(groups.get(part.group) ?? []), part.name]);
  const parts = new Map([...byPart].map(([part, some]) => [part, summarize(some)]));
  const values: Record<`${string}/${string}`, number> = {};
  for (const [group, members] of groups)
    for (const key of keys) {
      const { value, error } = combine(
        members.map((part) => ({ ...parts.get(part)!.get(key)!, size: byPart.get(part)!.length })),
      );
      values[`${group}/${key}`] = value;
      if (error !== undefined) values[`${group}/${key}_stderr`] = error;
    }
  const protocol = createProtocol(name, task, documents, options);
  return {
    title: task.title,
    version: task.version,
    split: getEvaluatedSplit(task),
    documents: documents.length,
    num_fewshot: options.fewshot,
    values,
    ...(task.parts.length === 1 ? {} : { parts: toPlainParts(parts) }),
    protocols: Object.fromEntries(
      [...groups.keys()].flatMap((group) => keys.map((key) => [`${group}/${key}`, protocol] as const)),
    ),
  };
}

function summarizeValue(key: string, documents: readonly DocumentResult[], resamples: number): Value {
  const sum = (pick: (document: DocumentResult) => number) =>
    documents.reduce((total, document) => total + pick(document), 0);
  const logLikelihood = () => sum(({ values }) => values["log_likelihood"]!);
  switch (key) {
    case "word_perplexity":
      return { value: Math.exp(-logLikelihood() / sum(({ sizes }) => sizes!.words)), error: undefined };
    case "byte_perplexity":
      return { value: Math.exp(-logLikelihood() / sum(({ sizes }) => sizes!.bytes)), error: undefined };
    case "bits_per_byte":
      return { value: -logLikelihood() / sum(({ sizes }) => sizes!.bytes) / Math.LN2, error: undefined };
  }
  const values = documents.map((document) => document.values[key]!);
  if (key !== "perplexity") return { value: computeMean(values), error: computeMeanError(values) };
  const statistic = (some: readonly number[]) => Math.exp(-computeMean(some));
  return { value: statistic(values), error: computeBootstrapError(values, statistic, resamples) };
}

/** The mean over parts by their sizes; a single part is left as it is. */
function combine(parts: readonly (Value & { readonly size: number })[]): Value {
  if (parts.length === 1) return parts[0]!;
  const total = parts.reduce((sum, { size }) => sum + size, 0);
  const errors = parts.map(({ error }) => error);
  return {
    value: parts.reduce((sum, { value, size }) => sum + value * size, 0) / total,
    error: errors.every((error) => error !== undefined)
      ? poolErrors(
          errors,
          parts.map(({ size }) => size),
        )
      : undefined,
  };
}

function toPlainParts(
  parts: ReadonlyMap<string, ReadonlyMap<string, Value>>,
): NonNullable<TaskResult["parts"]> {
  return Object.fromEntries(
    [...parts].map(([part, values]) => [
      part,
      Object.fromEntries(
        [...values].flatMap(([key, { value, error }]) => [
          [key, value] as const,
          ...(error === undefined ? [] : [[`${key}_stderr`, error] as const]),
        ]),
      ),
    ]),
  );
}

/** Results of equal documents, examples and rules may be compared, whatever the tokenizer. */
function createProtocol(
  name: string,
  task: Task,
  documents: readonly DocumentResult[],
  { fewshot, seed, addBos, maxLength }: SummaryOptions,
): LossProtocol {
  const hash = createHash("sha256");
  for (const { task: part, doc_hash: each } of documents) hash.update(`${part} ${each}\n`);
  const method = [
    fewshot === 0 || task.firstExamples === true
      ? `${fewshot} examples`
      : `${fewshot} examples drawn with seed ${seed}`,
    `task version ${task.version} of lm-evaluation-harness ${harnessVersion}`,
    ...(addBos === undefined ? [] : [addBos ? "with BOS" : "without BOS"]),
    ...(maxLength === undefined ? [] : [`at most ${maxLength} tokens at once`]),
  ];
  return {
    data: name,
    split: getEvaluatedSplit(task),
    hash: hash.digest("hex"),
    tokens: documents.length,
    unit: "rows",
    method: method.join(", "),
  };
}

/** Four decimals, and an exponent for the perplexities of models that have learned nothing. */
export function formatTaskNumber(value: number): string {
  return Math.abs(value) < 1e6 ? value.toFixed(4) : value.toExponential(4);
}

/** A difference of two numbers of a task, with its sign. */
export function formatTaskDifference(value: number): string {
  return `${value < 0 ? "−" : "+"}${formatTaskNumber(Math.abs(value))}`;
}

/** Lines for a log: the task and each of its groups. */
export function formatTask(name: string, task: Task, result: TaskResult): string[] {
  const keys = Object.keys(listTaskValues(task));
  const owners = [...new Set(Object.keys(result.values).map((key) => key.slice(0, key.indexOf("/"))))];
  return owners.map((owner) => {
    const numbers = keys.map((key) => {
      const error = result.values[`${owner}/${key}_stderr`];
      const value = result.values[`${owner}/${key}`]!;
      return `${key} ${formatTaskNumber(value)}${error === undefined ? "" : ` ± ${formatTaskNumber(error)}`}`;
    });
    const protocol = `${result.split} split, ${result.documents} rows, ${result.num_fewshot} examples`;
    return `${owner}: ${numbers.join(", ")}${owner === name ? ` (${protocol})` : ""}`;
  });
}
