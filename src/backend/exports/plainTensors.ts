/** The tensors of a model as its family publishes them: masks applied, packed matrices joined, tied matrices written once. */
import { WorkbenchError } from "../../protocol/errors";
import { exportTensors, listModelTensors } from "../models/huggingFace";
import { familyOf, type ModelShape } from "../models/model";
import type { MatrixSlot } from "../models/weights";
import type { TensorSource } from "../representations/representation";
import type { HostTensor, HostTensors } from "../checkpoints/safetensors";
import type { ExportSubject } from "./exporter";

export function createSource(tensors: HostTensors): TensorSource {
  return (name) => {
    const data = tensors.get(name)?.data;
    if (data === undefined || data instanceof Int32Array)
      throw new Error(`${name} is not a weight, a code or a mask of the model.`);
    return data;
  };
}

/** The model as it is after export: all matrices are dense except those that the configuration defines otherwise. */
export function toPlainShape(shape: ModelShape): ModelShape {
  const declared = familyOf(shape.family).representations?.(shape.config) ?? {};
  for (const [role, { type }] of Object.entries(declared)) {
    const now = shape.representations[role]?.type ?? "dense";
    if (now !== type)
      throw new WorkbenchError(
        "unsupported",
        `${role} is stored as ${now}, but the configuration of ${shape.family} requires ${type}, and this format cannot represent anything else. ` +
          "Export as packed, or export the model from before that step.",
      );
  }
  return { ...shape, representations: declared };
}

/** `order` is that of the rows: of files of transformers, or of the model. */
export function toPlainTensors(
  { shape, tensors }: Pick<ExportSubject, "shape" | "tensors">,
  isIncluded?: (slot: MatrixSlot) => boolean,
  order: "file" | "model" = "file",
): Map<string, HostTensor> {
  toPlainShape(shape);
  const list = order === "file" ? exportTensors : listModelTensors;
  return new Map(
    [...list(shape, createSource(tensors), isIncluded)].map(({ name, shape: size, data }) => [
      name,
      { shape: size, data },
    ]),
  );
}
