/**
 * Creates masks that drop the lowest scores within a matrix, an output, an n:m group, or the whole model. The number of
 * dropped weights is exact; of equal scores the earlier in the tensor is dropped first. The method defines the scores.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { MatrixSpec } from "../../representations/representation";

/** Keeps `kept` of each `of` consecutive inputs of an output. */
export interface GroupPattern {
  readonly kept: number;
  readonly of: number;
}
export type ComparisonGroup = "layer" | "row" | "global" | GroupPattern;

export interface ScoredMatrix {
  readonly matrix: MatrixSpec;
  /** In the order of the stored tensor. */
  readonly scores: Float32Array;
  /** 0 where a weight was dropped before, in the same order; undefined if none was. */
  readonly mask?: Uint8Array | undefined;
}

/** Parses a mask structure: `unstructured`, or kept:of such as 2:4. */
export function parsePattern(structure: string): GroupPattern | undefined {
  if (structure === "unstructured") return undefined;
  const [kept, of] = structure.split(":").map(Number) as [number, number];
  return { kept, of };
}

/** Counts the dropped scalars of a matrix; for `global`, its share if all matrices lose the same share. */
export function countDropped(
  { inputs, outputs }: MatrixSpec,
  within: ComparisonGroup,
  sparsity: number,
): number {
  if (typeof within === "object") return (inputs * outputs * (within.of - within.kept)) / within.of;
  return within === "row" ? countShare(inputs, sparsity) * outputs : countShare(inputs * outputs, sparsity);
}

/** ⌊sparsity · count⌋, except that a product within rounding error of a whole number counts as that number. */
export function countShare(count: number, sparsity: number): number {
  return Math.floor(count * sparsity * (1 + 1e-12));
}

/** Returns why a matrix cannot have the pattern, or undefined if it can. */
export function findPatternFault(
  { role, inputs }: MatrixSpec,
  { kept, of }: GroupPattern,
): string | undefined {
  return inputs % of === 0
    ? undefined
    : `${role} has ${inputs} inputs, which is not a multiple of ${of}, as ${kept}:${of} requires`;
}

/**
 * Creates a 0/1 mask for each matrix, in the order of its tensor. Weights that were dropped before stay dropped and count toward
 * the share; only the others are compared, whatever their scores are.
 */
export function maskSmallest(
  scored: readonly ScoredMatrix[],
  within: ComparisonGroup,
  sparsity: number,
): Uint8Array[] {
  for (const { matrix, scores, mask } of scored) refuseNaN(matrix.role, scores, mask);
  const masks = scored.map(({ scores, mask }) => mask?.slice() ?? new Uint8Array(scores.length).fill(1));
  if (within === "global") {
    const total = scored.reduce((count, { scores }) => count + scores.length, 0);
    const all = { scores: new Float32Array(total), mask: new Uint8Array(total) };
    let start = 0;
    scored.forEach(({ scores }, i) => {
      all.scores.set(scores, start);
      all.mask.set(masks[i]!, start);
      start += scores.length;
    });
    dropLowest(all.mask, all.scores, { start: 0, stride: 1, count: total }, countShare(total, sparsity));
    start = 0;
    for (const each of masks) each.set(all.mask.subarray(start, (start += each.length)));
    return masks;
  }
  scored.forEach(({ matrix, scores }, i) => {
    if (within === "layer") {
      const all = { start: 0, stride: 1, count: scores.length };
      dropLowest(masks[i]!, scores, all, countShare(scores.length, sparsity));
      return;
    }
    const size = within === "row" ? matrix.inputs : within.of;
    const dropped = within === "row" ? countShare(size, sparsity) : within.of - within.kept;
    for (const group of groupInputs(matrix, size)) dropLowest(masks[i]!, scores, group, dropped);
  });
  return masks;
}

/** Throws for NaN, which cannot be ordered. Scores of weights that are already dropped do not matter. */
export function refuseNaN(name: string, scores: Float32Array, mask?: Uint8Array): void {
  for (let i = 0; i < scores.length; i++)
    if (Number.isNaN(scores[i]) && mask?.[i] !== 0)
      throw new WorkbenchError("invalid-input", `${name} contains weights that are not numbers (NaN).`);
}

/** Strided elements of a tensor. */
interface Group {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
}

/** Yields the inputs of each output, `size` at a time. */
function* groupInputs({ inputs, outputs, layout }: MatrixSpec, size: number): Generator<Group> {
  const [inputStride, outputStride] = layout === "in_out" ? [outputs, 1] : [1, inputs];
  for (let output = 0; output < outputs; output++)
    for (let first = 0; first < inputs; first += size)
      yield { start: output * outputStride + first * inputStride, stride: inputStride, count: size };
}

/** Groups of at most this many are searched for their lowest score again and again, which needs no memory. */
const smallGroup = 32;

/** Sets the mask of the lowest scores of a group to 0, until `dropped` of the group are 0. */
function dropLowest(
  mask: Uint8Array,
  scores: Float32Array,
  { start, stride, count }: Group,
  dropped: number,
): void {
  const end = start + count * stride;
  let keptCount = 0;
  for (let place = start; place < end; place += stride) keptCount += mask[place]!;
  const dropCount = dropped - (count - keptCount);
  if (dropCount <= 0) return;
  if (count <= smallGroup) {
    for (let gone = 0; gone < dropCount; gone++) {
      let lowest = -1;
      for (let place = start; place < end; place += stride)
        if (mask[place] === 1 && (lowest < 0 || scores[place]! < scores[lowest]!)) lowest = place;
      mask[lowest] = 0;
    }
    return;
  }
  const places = new Uint32Array(keptCount);
  const candidates = new Float32Array(keptCount);
  for (let place = start, length = 0; place < end; place += stride)
    if (mask[place] === 1) {
      places[length] = place;
      candidates[length++] = scores[place]!;
    }
  for (const place of findLowest(places, candidates, dropCount)) mask[place] = 0;
}

/** Returns the `count` indices with the lowest scores, or all if there are fewer; of equal scores the earlier. */
export function findLowest(
  places: Uint32Array,
  scores: Float32Array | Float64Array,
  count: number,
): Uint32Array {
  if (count <= 0) return new Uint32Array(0);
  if (count >= places.length) return places;
  const threshold = findOrderStatistic(scores, count - 1);
  let ties = count;
  for (let i = 0; i < scores.length; i++) if (scores[i]! < threshold) ties--;
  const lowest = new Uint32Array(count);
  for (let i = 0, length = 0; i < places.length && length < count; i++)
    if (scores[i]! < threshold || (scores[i] === threshold && ties-- > 0)) lowest[length++] = places[i]!;
  return lowest;
}

/** Returns the value that would be at an index if the scores were sorted; linear time, as quickselect partitions them. */
function findOrderStatistic(scores: Float32Array | Float64Array, index: number): number {
  const values = scores.slice();
  let [low, high] = [0, values.length - 1];
  // Each partition usually halves the range. Data on which it does not are sorted.
  for (let round = 0; round < 64 && high - low > 16; round++) {
    const pivot = findMiddle(values[low]!, values[(low + high) >>> 1]!, values[high]!);
    let [left, right] = [low, high];
    while (left <= right) {
      while (values[left]! < pivot) left++;
      while (values[right]! > pivot) right--;
      if (left > right) break;
      const swapped = values[left]!;
      values[left++] = values[right]!;
      values[right--] = swapped;
    }
    // Now all of [low, right] ≤ pivot ≤ all of [left, high], and what is between equals it.
    if (index <= right) high = right;
    else if (index >= left) low = left;
    else return pivot;
  }
  return values.subarray(low, high + 1).sort()[index - low]!;
}

function findMiddle(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
