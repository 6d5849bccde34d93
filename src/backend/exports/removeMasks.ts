/** Applies the masks of a model: masked matrices and biases become dense, with zeros at the masked weights. */
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import { readBiasData } from "../models/biases";
import type { RepresentationChoices } from "../models/family";
import { materializeDense } from "../models/huggingFace";
import { listMatrixSlots, type ModelShape, parametersOf } from "../models/model";
import { listLeaves } from "../models/weights";
import { denseShape, fromInOut, weightName, weightShape } from "../representations/dense";
import { createSource } from "./plainTensors";

interface Model {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
}

export function removeMasks({ shape, tensors }: Model): Model {
  const choices: RepresentationChoices = Object.fromEntries(
    Object.entries(shape.representations).filter(([, { type }]) => type !== "masked"),
  );
  if (Object.keys(choices).length === Object.keys(shape.representations).length) return { shape, tensors };
  const plain = { ...shape, representations: choices };
  const source = createSource(tensors);
  const out = new Map<string, HostTensor>(tensors);
  const slots = new Map(listMatrixSlots(plain).map((slot) => [slot.matrix.role, slot]));
  for (const before of listMatrixSlots(shape)) {
    const { split } = slots.get(before.matrix.role)!;
    if (before.split && !split) {
      const { matrix } = before;
      const data = fromInOut(materializeDense(before, source), matrix);
      out.set(weightName(matrix), { shape: denseShape(matrix), data });
    } else
      before.stored.flatMap(listLeaves).forEach(({ matrix, type, representation, options }) => {
        if (type !== "masked") return;
        const data = fromInOut(representation.materialize(source, matrix, options), matrix);
        out.set(weightName(matrix), { shape: weightShape(matrix), data });
      });
    if (before.bias?.mask === undefined) continue;
    const { name, shape: size } = before.bias.spec;
    out.set(name, { shape: size, data: readBiasData(before.bias, source) });
  }
  const names = new Set(parametersOf(plain).map(({ name }) => name));
  return { shape: plain, tensors: new Map([...out].filter(([name]) => names.has(name))) };
}
