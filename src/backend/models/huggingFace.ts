/** Reads and writes Hugging Face checkpoints: matches the tensors of a file to those of the model. */
import { WorkbenchError } from "../../protocol/errors";
import type { Shape } from "../graph/op";
import { denseShape, fromInOut, toInOut, weightName } from "../representations/dense";
import type { MatrixSpec, TensorData, TensorSource } from "../representations/representation";
import { readBiasData } from "./biases";
import { describeEmbeddings } from "./kphi3";
import { familyOf, listMatrixSlots, type ModelShape, parametersOf, partsOf, tensorsOf } from "./model";
import { describeStorage, type MatrixSlot, type StoredMatrix } from "./weights";

/** Tensors of old files that follow from the configuration. */
const derived = /(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$/;

export interface TensorNames {
  /** The name in the file of each of the model's tensors. */
  readonly bound: ReadonlyMap<string, string>;
  /** Tensors of the file that the model does not use, apart from tables that follow from the configuration. */
  readonly skipped: readonly string[];
}

/**
 * Finds the model's tensors among those of a file. Files may omit the family's prefix, repeat a tied tensor, and contain tensors
 * of modules that the model does not have, which are skipped. A missing tensor or one of another shape is an error, and so is
 * an extra one in a module of the model (a bias, another layer), which would change what the model computes.
 */
export function bindTensors(
  shape: ModelShape,
  file: string,
  tensors: ReadonlyMap<string, Shape>,
  { ignoreExtra = false }: { readonly ignoreExtra?: boolean } = {},
): TensorNames {
  const { prefix, heads, oldNames, unread } = familyOf(shape.family);
  const { tied } = heads.language;
  const withoutPrefix = (name: string) =>
    name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name;
  const aliases = new Map(tied(shape.config).map(([alias, name]) => [name, alias]));
  const bound = new Map<string, string>();
  const missing: string[] = [];
  const faults: string[] = [];
  const specs = parametersOf(shape);
  for (const spec of specs) {
    const old = oldNames?.(spec.name);
    const names = [spec.name, ...(old === undefined ? [] : [old])];
    const candidates = [...names, ...names.map(withoutPrefix), aliases.get(spec.name)];
    const inFile = candidates.find((name) => name !== undefined && tensors.has(name));
    if (inFile === undefined) {
      missing.push(spec.name);
      continue;
    }
    const size = tensors.get(inFile)!;
    if (size.join() !== spec.shape.join())
      faults.push(`${inFile} is [${size.join(", ")}] where the model has [${spec.shape.join(", ")}]`);
    bound.set(spec.name, inFile);
  }
  const used = new Set(bound.values());
  for (const [alias, name] of tied(shape.config))
    if (bound.has(name)) used.add(alias).add(withoutPrefix(name)).add(name);
  const skipped = [...tensors.keys()].filter(
    (name) => !used.has(name) && !derived.test(name) && unread?.test(name) !== true,
  );
  const moduleOf = (name: string) => withoutPrefix(name).split(".", 1)[0]!;
  const modules = new Set([...specs.map(({ name }) => name), ...aliases.values()].map(moduleOf));
  const extra = ignoreExtra ? [] : skipped.filter((name) => modules.has(moduleOf(name)));
  const all = [
    ...missing.map((name) => `${name} is missing`),
    ...faults,
    ...extra.map((name) => `${name} is not a tensor of this model`),
  ];
  if (all.length === 0) return { bound, skipped };
  const names = specs.map(({ name }) => name);
  const stripped =
    missing.length === 0 ? undefined : findSharedPrefix([...names, ...names.map(withoutPrefix)], tensors);
  const onlyExtra = missing.length === 0 && faults.length === 0;
  throw new WorkbenchError(
    "invalid-input",
    `${file} does not fit its configuration: ${truncateList(all, 8, "; ")}. ` +
      (stripped !== undefined
        ? `Its names begin with "${stripped}": set strip_prefix: "${stripped}".`
        : onlyExtra
          ? "Check that config.json and the weights belong together, or set ignore_extra_tensors: true to load without them."
          : "Check that config.json and the weights belong together."),
  );
}

/** Returns the common prefix of the model's names in a file, if there is one. */
function findSharedPrefix(names: readonly string[], tensors: ReadonlyMap<string, Shape>): string | undefined {
  const [first] = names;
  const inFile = [...tensors.keys()];
  const candidates = [first!, names[names.length / 2]!].flatMap((name) =>
    inFile.filter((each) => each.endsWith(`.${name}`)).map((each) => each.slice(0, -name.length)),
  );
  const nameSet = new Set(names);
  return candidates.find(
    (prefix) =>
      inFile.filter((name) => name.startsWith(prefix) && nameSet.has(name.slice(prefix.length))).length > 1,
  );
}

/** Joins the first entries of a list and counts the others. */
function truncateList(list: readonly string[], limit: number, separator: string): string {
  const shown = list.slice(0, limit).join(separator);
  return list.length > limit ? `${shown}${separator}and ${list.length - limit} more` : shown;
}

export interface ExportedTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: TensorData;
}

/** Returns the content of `config.json` for an exported model. */
export function createExportedConfig({
  family,
  config,
  representations,
}: ModelShape): Record<string, unknown> {
  if (family === "kphi3") return { ...config, ...describeEmbeddings(config) };
  if (family !== "phi3") return { ...config };
  const grouped = Object.values(representations).some(({ type }) => type === "grouped");
  const { min_channels_per_group, init, ...plain } = config;
  return grouped
    ? { ...plain, model_type: "kphi3", min_channels_per_group, init, ...describeEmbeddings(config) }
    : plain;
}

/** Returns a tensor with the rows of a file in the order of the model; `order` is that of `fileRows`. */
export function readFileRows(order: Int32Array, data: TensorData): TensorData {
  const width = data.length / order.length;
  const rows = data.slice();
  order.forEach((from, row) => rows.set(data.subarray(from * width, (from + 1) * width), row * width));
  return rows;
}

/** Returns a tensor with its rows in the order that files of transformers have. */
function writeFileRows(
  { family, config }: Pick<ModelShape, "family" | "config">,
  { name, shape, data }: ExportedTensor,
): ExportedTensor {
  const order = familyOf(family).fileRows?.(config, name);
  if (order === undefined) return { name, shape, data };
  const width = data.length / order.length;
  const rows = data.slice();
  order.forEach((to, row) => rows.set(data.subarray(row * width, (row + 1) * width), to * width));
  return { name, shape, data: rows };
}

/**
 * Yields the model's tensors as Hugging Face code expects them: matrices in the layout of the family, packed ones whole. The
 * grouped projections of kphi3 keep their form; every other representation is written as the equivalent dense matrix.
 * Matrices for which `isIncluded` is false are left out, without their biases.
 */
export function* exportTensors(
  shape: ModelShape,
  tensors: TensorSource,
  isIncluded: (slot: MatrixSlot) => boolean = () => true,
): Generator<ExportedTensor> {
  for (const tensor of listModelTensors(shape, tensors, isIncluded)) yield writeFileRows(shape, tensor);
}

/** The same with rows in the order of the model. */
export function* listModelTensors(
  shape: ModelShape,
  tensors: TensorSource,
  isIncluded: (slot: MatrixSlot) => boolean = () => true,
): Generator<ExportedTensor> {
  const declared = familyOf(shape.family).representations?.(shape.config) ?? {};
  for (const slot of listMatrixSlots(shape)) {
    const declaredType = declared[slot.matrix.role]?.type;
    const [first] = slot.stored as readonly [StoredMatrix];
    if (!isIncluded(slot)) {
      // The caller writes the matrix itself; its bias is written below.
    } else if (!slot.split && describeStorage(first) === (declaredType ?? "dense")) {
      for (const { name, shape: size } of first.representation.parameters(first.matrix, first.options))
        yield { name, shape: size, data: tensors(name) };
    } else if (declaredType !== undefined && declaredType !== "dense")
      throw new WorkbenchError(
        "unsupported",
        `${slot.matrix.role} is no longer ${declaredType}, as the ${shape.family} format requires. Export with dense projections in the configuration.`,
      );
    else
      yield {
        name: weightName(slot.matrix),
        shape: denseShape(slot.matrix),
        data: fromInOut(materializeDense(slot, tensors), slot.matrix),
      };
    if (slot.bias !== undefined)
      yield {
        name: slot.bias.spec.name,
        shape: slot.bias.spec.shape,
        data: readBiasData(slot.bias, tensors),
      };
  }
  for (const { name, shape: size } of tensorsOf(shape)) yield { name, shape: size, data: tensors(name) };
}

/** Returns the dense matrix [inputs, outputs] of a slot, with its parts side by side. */
export function materializeDense({ matrix, stored }: MatrixSlot, tensors: TensorSource): Float32Array {
  const dense = new Float32Array(matrix.inputs * matrix.outputs);
  let from = 0;
  for (const { matrix: part, representation, options } of stored) {
    const piece = representation.materialize(tensors, part, options);
    for (let row = 0; row < part.inputs; row++)
      dense.set(piece.subarray(row * part.outputs, (row + 1) * part.outputs), row * matrix.outputs + from);
    from += part.outputs;
  }
  return dense;
}

/** Splits a packed matrix into dense tensors of its parts, named as parts with separate representations are. */
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
