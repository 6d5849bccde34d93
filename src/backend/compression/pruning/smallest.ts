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
  /** In the order of the stored tensor; what is below every score, such as -1, goes before everything else. */
  readonly scores: Float32Array;
}

/** The pattern that a mask structure names: `unstructured`, or kept:of such as 2:4. */
export function patternOf(structure: string): GroupPattern | undefined {
  if (structure === "unstructured") return undefined;
  const [kept, of] = structure.split(":").map(Number) as [number, number];
  return { kept, of };
}

/** How many scalars of a matrix are dropped; for `global`, its share if all matrices lost alike. */
export function dropCount({ inputs, outputs }: MatrixSpec, within: Within, sparsity: number): number {
  if (typeof within === "object") return (inputs * outputs * (within.of - within.kept)) / within.of;
  return within === "row" ? share(inputs, sparsity) * outputs : share(inputs * outputs, sparsity);
}

/** ⌊sparsity · count⌋, where a product that misses a whole number by rounding alone counts as that number. */
export function share(count: number, sparsity: number): number {
  return Math.floor(count * sparsity * (1 + 1e-12));
}

/** Why a matrix cannot have the pattern; undefined where it can. */
export function patternFault({ role, inputs }: MatrixSpec, { kept, of }: GroupPattern): string | undefined {
  return inputs % of === 0
    ? undefined
    : `${role} has ${inputs} inputs, which do not divide into groups of ${of} for ${kept}:${of}`;
}

/** A 0/1 mask for each matrix, in the order of its tensor. */
export function maskSmallest(scored: readonly Scored[], within: Within, sparsity: number): Uint8Array[] {
  for (const { matrix, scores } of scored)
    if (scores.some(Number.isNaN))
      throw new WorkbenchError("invalid-input", `${matrix.role} holds weights that are not numbers.`);
  const masks = scored.map(({ scores }) => new Uint8Array(scores.length).fill(1));
  if (within === "global") {
    const total = scored.reduce((count, { scores }) => count + scores.length, 0);
    const all = new Float32Array(total);
    let start = 0;
    for (const { scores } of scored) all.set(scores, (start += scores.length) - scores.length);
    const mask = new Uint8Array(total).fill(1);
    drop(all, mask, { start: 0, stride: 1, count: total }, share(total, sparsity));
    start = 0;
    for (const each of masks) each.set(mask.subarray(start, (start += each.length)));
    return masks;
  }
  scored.forEach(({ matrix, scores }, i) => {
    if (within === "layer") {
      const all = { start: 0, stride: 1, count: scores.length };
      drop(scores, masks[i]!, all, share(scores.length, sparsity));
      return;
    }
    const size = within === "row" ? matrix.inputs : within.of;
    const dropped = within === "row" ? share(size, sparsity) : within.of - within.kept;
    for (const group of groupsOf(matrix, size)) drop(scores, masks[i]!, group, dropped);
  });
  return masks;
}

/** Elements of a tensor at equal distances. */
interface Group {
  readonly start: number;
  readonly stride: number;
  readonly count: number;
}

/** The inputs of each output, `size` at a time. */
function* groupsOf({ inputs, outputs, layout }: MatrixSpec, size: number): Generator<Group> {
  const [inputStride, outputStride] = layout === "in_out" ? [outputs, 1] : [1, inputs];
  for (let output = 0; output < outputs; output++)
    for (let first = 0; first < inputs; first += size)
      yield { start: output * outputStride + first * inputStride, stride: inputStride, count: size };
}

function drop(
  scores: Float32Array,
  mask: Uint8Array,
  { start, stride, count }: Group,
  dropped: number,
): void {
  if (dropped === 0) return;
  const own = Float32Array.from({ length: count }, (_, i) => scores[start + i * stride]!);
  const threshold = own.slice().sort()[dropped - 1]!;
  let ties = dropped;
  for (const score of own) if (score < threshold) ties--;
  own.forEach((score, i) => {
    if (score > threshold || (score === threshold && ties-- <= 0)) return;
    mask[start + i * stride] = 0;
  });
}
