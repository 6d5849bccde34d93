/** To and from Hugging Face checkpoints: which tensor of a file is which of ours, and what a file has to hold. */
import { WorkbenchError } from "../../protocol/errors";
import type { Shape } from "../graph/op";
import { denseShape, fromInOut, toInOut, weightName } from "../representations/dense";
import type { MatrixSpec, TensorData, TensorSource } from "../representations/representation";
import { biasData } from "./biases";
import { familyOf, matrixSlots, type ModelShape, parametersOf, partsOf } from "./model";
import type { MatrixSlot, StoredMatrix } from "./weights";

/** Tensors that old files carry and that follow from the configuration. */
const derived = /(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$/;

/**
 * The name in a file for each of the model's tensors. Files may leave out the family's prefix, repeat a tied tensor, and
 * carry tables that follow from the configuration; anything else missing, left over or of another shape is an error.
 */
export function bindTensors(
  shape: ModelShape,
  file: string,
  tensors: ReadonlyMap<string, Shape>,
): Map<string, string> {
  const { prefix, tied } = familyOf(shape.family);
  const withoutPrefix = (name: string) =>
    name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name;
  const aliases = new Map(tied(shape.config).map(([alias, name]) => [name, alias]));
  const bound = new Map<string, string>();
  const faults: string[] = [];
  for (const spec of parametersOf(shape)) {
    const candidates = [spec.name, withoutPrefix(spec.name), aliases.get(spec.name)];
    const found = candidates.find((name) => name !== undefined && tensors.has(name));
    if (found === undefined) {
      faults.push(`${spec.name} is missing`);
      continue;
    }
    const size = tensors.get(found)!;
    if (size.join() !== spec.shape.join())
      faults.push(`${found} is [${size.join(", ")}] where the model has [${spec.shape.join(", ")}]`);
    bound.set(spec.name, found);
  }
  const used = new Set(bound.values());
  for (const [alias, name] of tied(shape.config))
    if (bound.has(name)) used.add(alias).add(withoutPrefix(name)).add(name);
  const left = [...tensors.keys()].filter((name) => !used.has(name) && !derived.test(name));
  faults.push(...left.map((name) => `${name} is no tensor of this model`));
  if (faults.length > 0) {
    const shown = faults.slice(0, 8).join("; ");
    const more = faults.length > 8 ? `; and ${faults.length - 8} more` : "";
    throw new WorkbenchError(
      "invalid-input",
      `${file} does not fit its configuration: ${shown}${more}. Check that config.json and the weights belong together.`,
    );
  }
  return bound;
}

export interface ExportedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: TensorData;
}

/** What `config.json` of an exported model holds. */
export function exportedConfig({ family, config, representations }: ModelShape): Record<string, unknown> {
  const grouped = Object.values(representations).some(({ type }) => type === "grouped");
  if (family !== "phi3") return { ...config };
  const { min_channels_per_group, init, ...plain } = config;
  return grouped ? { ...plain, model_type: "kphi3", min_channels_per_group, init } : plain;
}

/**
 * The model's tensors as Hugging Face code expects them: matrices in the layout of the family, packed ones whole. Only the
 * grouped projections of kphi3 keep their form; any other representation is written as the dense matrix it stands for.
 */
export function* exportTensors(shape: ModelShape, tensors: TensorSource): Generator<ExportedTensor> {
  const own = familyOf(shape.family).representations?.(shape.config) ?? {};
  for (const slot of matrixSlots(shape)) {
    const asked = own[slot.matrix.role]?.type;
    const [first] = slot.stored as readonly [StoredMatrix];
    if (!slot.split && first.type === (asked ?? "dense")) {
      for (const { name, shape: size } of first.representation.parameters(first.matrix, first.options))
        yield { name, shape: size, data: tensors(name) };
    } else if (asked !== undefined && asked !== "dense")
      throw new WorkbenchError(
        "unsupported",
        `${slot.matrix.role} is no longer ${asked}, which ${shape.family} files cannot say; export with dense projections in the configuration.`,
      );
    else
      yield {
        name: weightName(slot.matrix),
        shape: denseShape(slot.matrix),
        data: fromInOut(denseOf(slot, tensors), slot.matrix),
      };
    if (slot.bias !== undefined)
      yield { name: slot.bias.spec.name, shape: slot.bias.spec.shape, data: biasData(slot.bias, tensors) };
  }
  for (const { name, shape: size } of familyOf(shape.family).tensors(shape.config))
    yield { name, shape: size, data: tensors(name) };
}

/** The dense matrix [inputs, outputs] of a slot, its parts side by side. */
export function denseOf({ matrix, stored }: MatrixSlot, tensors: TensorSource): Float32Array {
  const dense = new Float32Array(matrix.inputs * matrix.outputs);
  let from = 0;
  for (const { matrix: part, representation, options } of stored) {
    const piece = representation.materialise(tensors, part, options);
    for (let row = 0; row < part.inputs; row++)
      dense.set(piece.subarray(row * part.outputs, (row + 1) * part.outputs), row * matrix.outputs + from);
    from += part.outputs;
  }
  return dense;
}

/** The dense tensors of a packed matrix's parts, named as they are stored when a part gets a representation of its own. */
export function splitPacked(matrix: MatrixSpec, weight: Float32Array): ExportedTensor[] {
  const dense = toInOut(weight, matrix);
  let from = 0;
  return partsOf(matrix).map((part) => {
    const piece = new Float32Array(part.inputs * part.outputs);
    for (let row = 0; row < part.inputs; row++) {
      const start = row * matrix.outputs + from;
      piece.set(dense.subarray(start, start + part.outputs), row * part.outputs);
    }
    from += part.outputs;
    return { name: weightName(part), shape: denseShape(part), data: fromInOut(piece, part) };
  });
}
