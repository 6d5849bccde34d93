/**
 * Log-likelihoods of continuations. Requests whose model inputs are equal, such as the one-token answers of a question,
 * share a row of a batch, and answers to the same context read it once. Batches have texts of similar length, the longest
 * first, so that the time left is never underestimated.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { Tensors } from "../../engine/engine";
import { toInferenceTensors } from "../../models/inference";
import { dimensionsOf } from "../../models/model";
import { disposeAll } from "../../training/evaluateLoss";
import { uploadAll } from "../../training/feeds";
import { ForwardProgram } from "../forwardProgram";
import type { EvaluationLab, Subject } from "../metric";
import type { EncodedPair } from "./harnessEncoder";
import { type Group, SharedContexts } from "./sharedContexts";
import {
  collectScores,
  createScores,
  innerKey,
  lastKey,
  listPlaces,
  roundLength,
  roundPlaces,
  type Row,
  type RowScores,
  type TokenScore,
} from "./tokenScores";

export interface LogLikelihood {
  /** Sum over the tokens of the continuation, in nats. */
  readonly value: number;
  /** Whether each token of the continuation is the most likely one. */
  readonly isGreedy: boolean;
  /** Tokens of the continuation. */
  readonly tokens: number;
}

export interface ScoringOptions {
  /** Most tokens that the model reads at once. */
  readonly maxLength: number;
  /** Texts per batch; undefined for at most 16. */
  readonly batchSize: number | undefined;
}

const defaultBatch = 16;
/** Shorter contexts are read again for each answer. */
const minShared = 8;

export async function scoreContinuations(
  subject: Subject,
  pairs: readonly EncodedPair[],
  { maxLength, batchSize = defaultBatch }: ScoringOptions,
  lab: EvaluationLab,
  onProgress: (done: number) => void,
): Promise<LogLikelihood[]> {
  const groups = collectGroups(pairs, maxLength);
  const isShared = (group: Group) => group.length > 1 && group[0]!.shared >= minShared;
  const shared = groups.filter(isShared);
  const single = groups.filter((group) => !isShared(group)).flat();
  const results = new Array<LogLikelihood>(pairs.length);
  const weights = uploadAll(lab.engine, toInferenceTensors(subject.shape, subject.tensors));
  let done = 0;
  const take = (row: Row, scores: RowScores) => {
    for (const request of row.requests) {
      results[request.at] = sumUp(row, request, scores);
      done++;
    }
  };
  try {
    await using contexts = new SharedContexts(subject, weights, maxLength, lab);
    for (const { batch, count } of splitGroups(shared, contexts, batchSize)) {
      const scores = await contexts.score(batch, count);
      batch.forEach((group, i) => group.forEach((row, k) => take(row, scores[i]![k]!)));
      onProgress(done);
    }
    await using rows = new SingleRows(subject, weights, lab);
    single.sort((a, b) => b.ids.length - a.ids.length);
    for (let first = 0; first < single.length; first += batchSize) {
      const batch = single.slice(first, first + batchSize);
      const time = roundLength(batch[0]!.ids.length, maxLength);
      const scores = await rows.score(batch, Math.min(batchSize, single.length), time);
      batch.forEach((row, i) => take(row, scores[i]!));
      onProgress(done);
    }
  } finally {
    disposeAll(weights);
  }
  return results;
}

function sumUp({ ids }: Row, { tokens, last }: Row["requests"][number], scores: RowScores): LogLikelihood {
  const parts = [
    ...Array.from({ length: tokens - 1 }, (_, k) => innerKey(ids.length - 1 - k)),
    lastKey(last),
  ].map((key) => scores.get(key)!);
  const value = 0 - parts.reduce((total, { nats }) => total + nats, 0);
  if (!Number.isFinite(value))
    throw new WorkbenchError(
      "diverged",
      "A log-likelihood is not a number: the model's weights are broken, or too large for float32.",
    );
  return { value, isGreedy: parts.every(({ isGreedy }) => isGreedy), tokens };
}

/**
 * Rows of the same context. Inputs that are too long lose their first tokens, and share none. All tokens of a continuation
 * except its last are in the input.
 */
function collectGroups(pairs: readonly EncodedPair[], maxLength: number): Group[] {
  const rows = new Map<string, Row>();
  const groups = new Map<string, Row[]>();
  pairs.forEach(({ context, continuation }, at) => {
    if (continuation.length > maxLength)
      throw new WorkbenchError(
        "unsupported",
        `A continuation has ${continuation.length} tokens, but the model reads ${maxLength} at once. Use a model with a longer context.`,
      );
    const all = [...context, ...continuation];
    const isCut = all.length > maxLength + 1;
    const ids = Int32Array.from(all.slice(-(maxLength + 1)).slice(0, -1));
    const key = ids.join();
    let row = rows.get(key);
    if (row === undefined) {
      row = { ids, shared: isCut ? 0 : context.length, requests: [] };
      rows.set(key, row);
      const owner = isCut ? `cut ${key}` : context.join();
      const group = groups.get(owner);
      if (group === undefined) groups.set(owner, [row]);
      else group.push(row);
    }
    row.requests.push({ at, tokens: continuation.length, last: all.at(-1)! });
  });
  return [...groups.values()];
}

const lengthOf = (group: Group) => group.reduce((most, { ids }) => Math.max(most, ids.length), 0);

/** Batches of groups with similar lengths and as many answers. */
function* splitGroups(
  groups: readonly Group[],
  contexts: SharedContexts,
  batchSize: number,
): Generator<{ readonly batch: readonly Group[]; readonly count: number }> {
  const sorted = [...groups].sort((a, b) => lengthOf(b) - lengthOf(a) || b.length - a.length);
  const answers = sorted.reduce((most, { length }) => Math.max(most, length), 0);
  for (let first = 0; first < sorted.length;) {
    const count = contexts.countTogether(answers, lengthOf(sorted[first]!), batchSize);
    const batch = sorted.slice(first, first + count);
    yield { batch, count: Math.min(count, sorted.length) };
    first += batch.length;
  }
}

/** Programs over the same weights, for batches of one length at a time. */
class SingleRows implements AsyncDisposable {
  readonly #programs = new Map<string, ForwardProgram>();
  readonly #vocabulary: number;
  #time = 0;

  constructor(
    private readonly subject: Subject,
    private readonly weights: Tensors,
    private readonly lab: EvaluationLab,
  ) {
    this.#vocabulary = dimensionsOf(subject.shape).vocabulary;
  }

  /** The scores of each row; `batch` rows of `time` tokens, some of them empty. */
  async score(rows: readonly Row[], batch: number, time: number): Promise<RowScores[]> {
    const tokens = new Int32Array(batch * time);
    // A row is followed by padding, which no earlier token attends to.
    rows.forEach(({ ids }, row) => tokens.set(ids, row * time));
    const places = rows.flatMap(listPlaces);
    const count = roundPlaces(places.length, this.#vocabulary);
    const program = await this.#open(batch, time, count);
    const scores = rows.map(() => new Map<string, TokenScore>());
    for (let first = 0; first < places.length; first += count) {
      const some = places.slice(first, first + count);
      const feeds = { tokens, rows: new Int32Array(count), labels: new Int32Array(count) };
      some.forEach(({ row, position, label }, i) => {
        feeds.rows[i] = row * time + position;
        feeds.labels[i] = label;
      });
      collectScores(some, await program.run(feeds, this.lab.signal), scores);
    }
    return scores;
  }

  async #open(batch: number, time: number, rows: number): Promise<ForwardProgram> {
    if (time !== this.#time) await this[Symbol.asyncDispose]();
    this.#time = time;
    const key = `${batch} ${rows}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      const size = { batch, time, rows };
      program = await ForwardProgram.open(this.lab.engine, this.subject, size, createScores, this.weights);
      this.#programs.set(key, program);
    }
    return program;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.values()) await program[Symbol.asyncDispose]();
    this.#programs.clear();
  }
}
