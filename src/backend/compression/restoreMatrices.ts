/** Turns what a method has stored back into the matrices that it started from, with the values that they have now. */
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { readBiasData } from "../models/biases";
import { materializeDense } from "../models/huggingFace";
import { listMatrixSlots, type ModelShape, parametersOf } from "../models/model";
import { listWithPieces, type MatrixSlot } from "../models/weights";
import { denseShape, fromInOut, weightName } from "../representations/dense";
import type { TensorData } from "../representations/representation";

/**
 * Returns the shape of `after` with the representations of `before`, or undefined if its matrices are others, as after
 * the removal of layers, or if one that has changed was not dense.
 */
export function restoreShape(after: ModelShape, before: ModelShape): ModelShape | undefined {
  const slots = new Map(listMatrixSlots(before).map((slot) => [slot.matrix.role, slot]));
  const changedSlots = listMatrixSlots(after);
  const canRestore = changedSlots.every((slot) => {
    const original = slots.get(slot.matrix.role);
    if (original === undefined) return false;
    const { inputs, outputs } = original.matrix;
    if (slot.matrix.inputs !== inputs || slot.matrix.outputs !== outputs) return false;
    return isUnchanged(slot, original) || (isDense(original) && original.bias?.mask === undefined);
  });
  if (!canRestore || changedSlots.length !== slots.size) return undefined;
  return { ...after, representations: before.representations };
}

/** Returns the model with the representations of `before`; throws where `restoreShape` returns undefined. */
export function restoreMatrices({ shape, tensors }: Checkpoint, before: ModelShape): Checkpoint {
  const restored = restoreShape(shape, before);
  if (restored === undefined) throw new Error("The matrices of this model cannot be restored.");
  const source = (name: string) => tensors.get(name)!.data as TensorData;
  const originals = new Map(listMatrixSlots(restored).map((slot) => [slot.matrix.role, slot]));
  const values = new Map<string, HostTensor>(tensors);
  for (const slot of listMatrixSlots(shape)) {
    const original = originals.get(slot.matrix.role)!;
    if (isUnchanged(slot, original)) continue;
    if (slot.bias !== undefined)
      values.set(slot.bias.spec.name, { shape: slot.bias.spec.shape, data: readBiasData(slot.bias, source) });
    if (original.split)
      for (const [i, { matrix, representation, options }] of slot.stored.entries())
        values.set(weightName(original.stored[i]!.matrix), {
          shape: denseShape(matrix),
          data: fromInOut(representation.materialize(source, matrix, options), matrix),
        });
    else
      values.set(weightName(slot.matrix), {
        shape: denseShape(slot.matrix),
        data: fromInOut(materializeDense(slot, source), slot.matrix),
      });
  }
  const names = new Set(parametersOf(restored).map(({ name }) => name));
  return { shape: restored, tensors: new Map([...values].filter(([name]) => names.has(name))) };
}

const isDense = ({ stored }: MatrixSlot): boolean => stored.every(({ type }) => type === "dense");

function isUnchanged(slot: MatrixSlot, original: MatrixSlot): boolean {
  const describe = ({ stored, bias }: MatrixSlot) =>
    JSON.stringify([
      stored.flatMap(listWithPieces).map(({ matrix, type, options }) => [matrix.role, type, options]),
      bias?.mask === undefined ? undefined : bias.kept,
    ]);
  return describe(slot) === describe(original);
}
