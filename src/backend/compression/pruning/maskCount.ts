/** Masks an exact number of weights of a matrix, where a share of each row would round. */
import type { MatrixSpec } from "../../representations/representation";
import { findLowest, maskSmallest, type ScoredMatrix } from "./smallest";

/**
 * Masks the `dropped` weights with the lowest scores of a matrix, or, within rows, the same number in each row and the
 * remainder where the next score of a row is lowest.
 */
export function maskCount(scored: ScoredMatrix, within: "layer" | "row", dropped: number): Uint8Array {
  const { matrix, scores } = scored;
  const { inputs, outputs } = matrix;
  const all = inputs * outputs;
  if (within === "layer") return maskSmallest([scored], "layer", dropped / all)[0]!;
  const perRow = Math.floor(dropped / outputs);
  const mask = maskSmallest([scored], "row", perRow / inputs)[0]!;
  const left = dropped - perRow * outputs;
  if (left === 0) return mask;
  const isPruned = (at: number) => mask[at] === 0;
  const atOf = createPlaceLookup(matrix);
  const candidates = Array.from({ length: outputs }, (_, output) => {
    let [lowest, gone] = [-1, 0];
    for (let input = 0; input < inputs; input++) {
      const at = atOf(input, output);
      if (isPruned(at)) gone++;
      else if (lowest < 0 || scores[at]! < scores[lowest]!) lowest = at;
    }
    // A row that has lost more before needs no further weight.
    return gone > perRow ? -1 : lowest;
  }).filter((at) => at >= 0);
  const places = Uint32Array.from(candidates);
  for (const at of findLowest(
    places,
    Float32Array.from(places, (each) => scores[each]!),
    left,
  ))
    mask[at] = 0;
  return mask;
}

/** Returns a function from an input and an output to the index in the stored tensor. */
export function createPlaceLookup({
  layout,
  inputs,
  outputs,
}: MatrixSpec): (input: number, output: number) => number {
  return layout === "in_out" ? (i, o) => i * outputs + o : (i, o) => o * inputs + i;
}

/** Returns a function from an index in the stored tensor to its input. */
export function createInputLookup({ layout, inputs, outputs }: MatrixSpec): (place: number) => number {
  return layout === "in_out" ? (place) => Math.floor(place / outputs) : (place) => place % inputs;
}
