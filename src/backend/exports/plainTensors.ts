/** The tensors of a model as its family publishes them: masks applied, packed matrices whole, tied ones once. */
import { WorkbenchError } from "../../protocol/errors";
import { exportTensors } from "../models/huggingFace";
import { familyOf, type ModelShape } from "../models/model";
import type { TensorData } from "../representations/representation";
import type { HostTensor } from "../checkpoints/safetensors";
import type { ExportSubject } from "./exporter";

/** The model as it is after export: only what the configuration itself asks for is not dense. */
export function plainShape(shape: ModelShape): ModelShape {
  const asked = familyOf(shape.family).representations?.(shape.config) ?? {};
  for (const [role, { type }] of Object.entries(asked)) {
    const now = shape.representations[role]?.type ?? "dense";
    if (now !== type)
      throw new WorkbenchError(
        "unsupported",
        `${role} is stored ${now}, but a configuration of ${shape.family} says ${type}, and its files can say nothing else. ` +
          "Export the model as it was before that change.",
      );
  }
  return { ...shape, representations: asked };
}

export function plainTensors({ shape, tensors }: ExportSubject): Map<string, HostTensor> {
  plainShape(shape);
  const source = (name: string): TensorData => {
    const data = tensors.get(name)?.data;
    if (data === undefined || data instanceof Int32Array) throw new Error(`${name} is no weight or mask.`);
    return data;
  };
  return new Map(
    [...exportTensors(shape, source)].map(({ name, shape: size, data }) => [name, { shape: size, data }]),
  );
}
