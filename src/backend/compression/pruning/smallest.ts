/**
 * Masks that drop the lowest scores, compared within a matrix, an output, a group of n:m, or the whole model. Exactly as many
 * are dropped as asked; of equal scores the earlier in the tensor goes first. What a score means is the method's business.
 */
import { WorkbenchError } from "../../../protocol/errors";
import type { MatrixSpec } from "../../representations/representation";

/** `kept` of each `of` consecutive inputs of an output stay. */
export interface GroupPattern {
  readonly kept: number;
  readonly of: number;
}
export type Within = "layer" | "row" | "global" | GroupPattern;

export interface Scored {
  readonly matrix: MatrixSpec;
  /** In the order of the stored tensor. */
  readonly scores: Float32Array;
  /** 0 where a weight was dropped before, in the same order; undefined where none was. */
  readonly mask?: Uint8Array | undefined;
}

/** The pattern that a mask structure names: `unstructured`, or kept:of such as 2:4. */
export function parsePattern(structure: string): GroupPattern | undefined {
  if (structure === "unstructured") return undefined;
  const [kept, of] = structure.split(":").map(Number) as [number, number];
  return { kept, of };
}

/** How many scalars of a matrix are dropped; for `global`, its share if all matrices lost alike. */
export function countDropped({ inputs, outputs }: MatrixSpec, within: Within, sparsity: number): number {
  if (typeof within === "object") return (inputs * outputs * (within.of - within.kept)) / within.of;
  return within === "row" ? countShare(inputs, sparsity) * outputs : countShare(inputs * outputs, sparsity);
}

/** ⌊sparsity · count⌋, where a product that misses a whole number by rounding alone counts as that number. */
export function countShare(count: number, sparsity: number): number {
  return Math.floor(count * sparsity * (1 + 1e-12));
}

/** Why a matrix cannot have the pattern; undefined where it can. */
export function findPatternFault(
  { role, inputs }: MatrixSpec,
  { kept, of }: GroupPattern,
): string | undefined {
  return inputs % of === 0
    ? undefined
    : `${role} has ${inputs} inputs, which do not divide into groups of ${of} for ${kept}:${of}`;
}

/**
 * A 0/1 mask for each matrix, in the order of its tensor. Weights that were dropped before stay dropped and count toward the
 * share; only the others are compared, whatever their scores are.
 */
export function maskSmallest(scored: readonly Scored[], within: Within, sparsity: number): Uint8Array[] {
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

/** A score that is not a number has no place in an order. Those of weights that are dropped already do not matter. */
export function refuseNaN(name: string, scores: Float32Array, mask?: Uint8Array): void {
  if (scores.some((score, i) => Number.isNaN(score) && mask?.[i] !== 0))
    throw new WorkbenchError("invalid-input", `${name} holds weights that are not numbers.`);
}

/** Elements of a tensor at equal distances. */
interface Group {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
}

/** The inputs of each output, `size` at a time. */
function* groupInputs({ inputs, outputs, layout }: MatrixSpec, size: number): Generator<Group> {
  const [inputStride, outputStride] = layout === "in_out" ? [outputs, 1] : [1, inputs];
  for (let output = 0; output < outputs; output++)
    for (let first = 0; first < inputs; first += size)
      yield { start: output * outputStride + first * inputStride, stride: inputStride, count: size };
}

/** Sets the lowest scores of a group to 0 in the mask, until `dropped` of the group are 0. */
function dropLowest(
  mask: Uint8Array,
  scores: Float32Array,
  { start, stride, count }: Group,
  dropped: number,
): void {
  const places = new Uint32Array(count);
  let kept = 0;
  for (let i = 0, place = start; i < count; i++, place += stride)
    if (mask[place] === 1) places[kept++] = place;
  const candidates = places.subarray(0, kept);
  const wanted = dropped - (count - kept);
  if (wanted <= 0) return;
  for (const place of lowestPlaces(
    candidates,
    Float32Array.from(candidates, (at) => scores[at]!),
    wanted,
  ))
    mask[place] = 0;
}

/** The `count` places with the lowest scores, or all of them where there are fewer; of equal scores the earlier place. */
export function lowestPlaces(
  places: Uint32Array,
  scores: Float32Array | Float64Array,
  count: number,
): Uint32Array {
  if (count <= 0) return new Uint32Array(0);
  if (count >= places.length) return places;
  const threshold = scores.slice().sort()[count - 1]!;
  let ties = count;
  for (const score of scores) if (score < threshold) ties--;
  const lowest = new Uint32Array(count);
  let length = 0;
  for (let i = 0; i < places.length; i++)
    if (scores[i]! < threshold || (scores[i] === threshold && ties-- > 0)) lowest[length++] = places[i]!;
  return lowest;
}
