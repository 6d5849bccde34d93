/** Two models on the documents of the tasks that both evaluated: McNemar's test and the paired bootstrap. */
import { WorkbenchError } from "../../../protocol/errors";
import { describeDifference, isSameProtocol, type LossProtocols } from "../../../protocol/lossProtocol";
import {
  compareAnswers,
  comparePaired,
  type McNemar,
  type PairedDifference,
} from "../../../statistics/pairedComparison";
import { computeMean } from "../../../statistics/resampling";
import type { RunRecord } from "../../../protocol/run";
import { type DocumentLine, type DocumentResults, readRunDocuments } from "./documentResults";

/** A run, or an evaluation from the command line. */
export interface EvaluatedTasks {
  readonly id: string;
  readonly documents: DocumentResults;
  /** How each number was measured, by `<task>/<number>`. */
  readonly protocols: LossProtocols;
}

export interface ComparedValue extends PairedDifference, Partial<McNemar> {
  /** `<task>/<number>`. */
  readonly value: string;
  readonly documents: number;
  /** Means over the documents. */
  readonly first: number;
  readonly second: number;
}

export interface ComparisonOptions {
  readonly resamples: number;
  readonly seed: number;
}

/** The tasks that the steps of a run evaluated. */
export function readRunTasks(folder: string, { id, losses = {} }: RunRecord): EvaluatedTasks {
  return { id, documents: readRunDocuments(folder), protocols: losses };
}

export function listCommonTasks(first: EvaluatedTasks, second: EvaluatedTasks): string[] {
  return [...first.documents.keys()].filter((name) => second.documents.has(name));
}

/** Differences are second minus first. Throws if the task was evaluated in different ways or on different documents. */
export function compareTask(
  name: string,
  first: EvaluatedTasks,
  second: EvaluatedTasks,
  options: ComparisonOptions,
): ComparedValue[] {
  refuseOtherProtocol(name, first, second);
  const pairs = pairDocuments(name, first.documents.get(name)!, second.documents.get(name)!);
  return [...pairs].map(([key, { first: a, second: b }]): ComparedValue => {
    const isAnswer = [...a, ...b].every((value) => value === 0 || value === 1);
    return {
      // What is kept of a cloze for its perplexity is its log-likelihood.
      value: `${name}/${key === "perplexity" ? "log_likelihood" : key}`,
      documents: a.length,
      first: computeMean(a),
      second: computeMean(b),
      ...comparePaired(a, b, options),
      ...(isAnswer ? compareAnswers(a, b) : {}),
    };
  });
}

/** Other examples or another version of a task make other questions of the same rows. */
function refuseOtherProtocol(name: string, first: EvaluatedTasks, second: EvaluatedTasks): void {
  const find = ({ protocols }: EvaluatedTasks) =>
    Object.entries(protocols).find(([key]) => key.startsWith(`${name}/`))?.[1];
  const [a, b] = [find(first), find(second)];
  if (a === undefined || b === undefined)
    throw new WorkbenchError(
      "invalid-input",
      `${(a === undefined ? first : second).id} did not record how it evaluated ${name}. Evaluate it again.`,
    );
  if (isSameProtocol(a, b)) return;
  throw new WorkbenchError(
    "invalid-input",
    `${first.id} and ${second.id} evaluated ${name} in different ways: ${describeDifference(b, a)}. Evaluate both alike.`,
  );
}

interface PairedValues {
  readonly first: readonly number[];
  readonly second: readonly number[];
}

/** The values of equal documents by their names. Refuses documents that differ. */
function pairDocuments(
  task: string,
  first: readonly DocumentLine[],
  second: readonly DocumentLine[],
): ReadonlyMap<string, PairedValues> {
  const describe = ({ task: part, doc_id: id, doc_hash: hash }: DocumentLine) => `${part} ${id} ${hash}`;
  const at = first.findIndex((line, i) => second[i] === undefined || describe(line) !== describe(second[i]));
  if (at >= 0 || first.length !== second.length)
    throw new WorkbenchError(
      "invalid-input",
      `The two evaluated different rows of ${task} (${first.length} and ${second.length}; they differ from row ${(at < 0 ? first.length : at) + 1} on). Evaluate both with the same files and limit.`,
    );
  const names = Object.keys(first[0]?.values ?? {}).filter((name) => second[0]!.values[name] !== undefined);
  return new Map(
    names.map((name) => [
      name,
      { first: first.map(collectValue(task, name)), second: second.map(collectValue(task, name)) },
    ]),
  );
}

function collectValue(task: string, name: string): (line: DocumentLine) => number {
  return ({ values, doc_id: id }) => {
    const value = values[name];
    if (value !== undefined) return value;
    throw new WorkbenchError("corrupt", `Row ${id + 1} of ${task} has no ${name}. Evaluate the model again.`);
  };
}
