/** Scores of single tokens: what log-likelihoods of continuations are made of. */
import { constant, input, scalar, type Value } from "../../graph/op";
import { add, and, equal, less, sub, where } from "../../graph/ops/elementwise";
import { pick } from "../../graph/ops/indexing";
import { crossEntropy } from "../../graph/ops/loss";
import { concat, reshape } from "../../graph/ops/movement";
import { max, sum } from "../../graph/ops/reduction";

/** An input of the model, and the requests for what follows parts of it. */
export interface Row {
  readonly ids: Int32Array;
  /** Tokens at its start that other rows may share: the context of a request that is not cut. */
  readonly shared: number;
  readonly requests: { readonly at: number; readonly tokens: number; readonly last: number }[];
}

/** A token after one position of a row: `key` names it among those of the row. */
export interface Place {
  readonly row: number;
  readonly position: number;
  readonly label: number;
  readonly key: string;
}

export interface TokenScore {
  readonly nats: number;
  readonly isGreedy: boolean;
}

export type RowScores = ReadonlyMap<string, TokenScore>;

export const innerKey = (position: number) => `at ${position}`;
export const lastKey = (label: number) => `last ${label}`;

/** All tokens that the requests of a row score; those before the last of a continuation are in the row. */
export function listPlaces({ ids, requests }: Row, row: number): Place[] {
  const longest = requests.reduce((most, { tokens }) => Math.max(most, tokens), 0);
  const inner = Array.from({ length: longest - 1 }, (_, k) => ids.length - 1 - k);
  return [
    ...inner.map((at) => ({ row, position: at - 1, label: ids[at]!, key: innerKey(at) })),
    ...[...new Set(requests.map(({ last }) => last))].map((label) => ({
      row,
      position: ids.length - 1,
      label,
      key: lastKey(label),
    })),
  ];
}

/** Few different lengths, so that few programs are compiled: at most 8 between a power of two and the next. */
export function roundLength(length: number, maxLength: number): number {
  const step = Math.max(16, 2 ** (Math.floor(Math.log2(length)) - 3));
  return Math.min(maxLength, Math.ceil(length / step) * step);
}

/** Logits of a batch are at most 256 MiB. */
const maxLogits = 2 ** 26;

/** Number of tokens that a program scores at once, for a batch with so many places: a power of two. */
export function roundPlaces(places: number, vocabulary: number): number {
  const most = Math.max(1, Math.floor(maxLogits / vocabulary));
  return Math.min(most, 2 ** Math.ceil(Math.log2(Math.max(1, places))));
}

/** Adds the scores of places that a program returned as [nats, gap] pairs. */
export function collectScores(
  places: readonly Place[],
  results: Float32Array,
  scores: readonly Map<string, TokenScore>[],
): void {
  places.forEach(({ row, key }, i) =>
    scores[row]!.set(key, { nats: results[2 * i]!, isGreedy: results[2 * i + 1] === 0 }),
  );
}

/** [rows, vocabulary] → [rows, 2]: the nats of each row's label (the int32 input `labels`), and its gap. */
export function createScores(logits: Value): Value {
  const [rows] = logits.type.shape as [number, number];
  const labels = input("labels", [rows], "int32");
  return concat(reshape(crossEntropy(logits, labels), { shape: [rows, 1] }), createGaps(logits, labels), {
    axis: 1,
  });
}

/** [rows, vocabulary] and labels [rows] → [rows, 1]: zero where the label is the first of the most likely tokens. */
export function createGaps(logits: Value, labels: Value): Value {
  const [rows, vocabulary] = logits.type.shape as [number, number];
  const column = (values: Value) => reshape(values, { shape: [rows, 1] });
  const top = max(logits, { axes: [1], keepDims: true });
  const ids = constant(
    Int32Array.from({ length: vocabulary }, (_, id) => id),
    [1, vocabulary],
  );
  const isTie = and(equal(logits, top), less(ids, column(labels)));
  const ties = sum(where(isTie, scalar(1), scalar(0)), { axes: [1], keepDims: true });
  return add(sub(top, column(pick(logits, labels))), ties);
}
