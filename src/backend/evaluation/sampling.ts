/** Selects the next token from logits by the rules of Hugging Face's generation, in the same order and with the same option names. */
import { WorkbenchError } from "../../protocol/errors";

export interface SamplingOptions {
  /** 0 takes the most likely token. */
  readonly temperature: number;
  /** Keep the k most likely tokens, including ties with the last of them; 0 keeps all. */
  readonly top_k: number;
  /** Then keep the fewest most likely tokens whose total probability is at least this. */
  readonly top_p: number;
}

/** Candidates for the next token, most likely first, with probabilities that sum to 1. */
export interface Candidates {
  readonly ids: readonly number[];
  readonly probabilities: Float64Array;
}

/** For tokens that already occurred, divides positive logits by the penalty and multiplies negative ones. */
export function penalizeRepetition(logits: Float32Array, seenIds: Iterable<number>, penalty: number): void {
  if (penalty === 1) return;
  for (const id of new Set(seenIds)) {
    const logit = logits[id]!;
    logits[id] = logit < 0 ? logit * penalty : logit / penalty;
  }
}

/** The most likely token; of equally likely ones, the lowest id. */
export function findMostLikely(logits: Float32Array): number {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id])) throw notANumberError();
    if (logits[id]! > logits[best]!) best = id;
  }
  if (!Number.isFinite(logits[best])) throw notANumberError();
  return best;
}

export function selectCandidates(logits: Float32Array, options: SamplingOptions): Candidates {
  const { temperature, top_k, top_p } = options;
  if (temperature === 0) return { ids: [findMostLikely(logits)], probabilities: Float64Array.of(1) };
  const top = logits[findMostLikely(logits)]!;
  const lowest = top_k > 0 && top_k < logits.length ? findNthLargest(logits, top_k) : -Infinity;
  const ids: number[] = [];
  logits.forEach((logit, id) => {
    if (logit >= lowest) ids.push(id);
  });
  ids.sort((a, b) => logits[b]! - logits[a]! || a - b);
  const weights = Float64Array.from(ids, (id) => Math.exp((logits[id]! - top) / temperature));
  const all = weights.reduce((a, b) => a + b, 0);
  let keptCount = 0;
  let mass = 0;
  do mass += weights[keptCount++]!;
  while (keptCount < ids.length && mass < top_p * all);
  return {
    ids: ids.slice(0, keptCount),
    probabilities: weights.slice(0, keptCount).map((each) => each / mass),
  };
}

/** Selects a candidate with a uniform random number in [0, 1). */
export function draw({ ids, probabilities }: Candidates, uniform: number): number {
  let mass = 0;
  for (let i = 0; i < ids.length; i++) {
    mass += probabilities[i]!;
    if (uniform < mass) return ids[i]!;
  }
  return ids.at(-1)!; // Due to rounding, the sum can be slightly below 1.
}

function findNthLargest(numbers: Float32Array, n: number): number {
  return numbers.slice().sort()[numbers.length - n]!;
}

function notANumberError(): WorkbenchError {
  return new WorkbenchError(
    "diverged",
    "The model's logits are not numbers: its weights are broken, or too large for float32.",
  );
}
