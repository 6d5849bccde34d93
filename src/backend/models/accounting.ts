/**
 * Counts trainable and stored scalars, non-zeros, stored bits and bytes of a model, per role and in total.
 * The shape determines them; tensors make the non-zeros exact, and a written file makes the bytes exact.
 */
import type { Counts, ModelCounts, RoleCounts } from "../../protocol/counts";
import { sizeOf } from "../graph/op";
import { countBias, listBiasParameters, biasRole } from "./biases";
import { hasExits } from "./exits";
import { createTrainedTest, listMatrixSlots, type ModelShape, tensorsOf } from "./model";
import { stripLayer } from "./roles";
import { describeStorage } from "./weights";
import {
  countScalars,
  type MatrixCounts,
  type ParameterSpec,
  type TensorSource,
} from "../representations/representation";

export interface CountOptions {
  /** Without tensors, every stored scalar counts as non-zero. */
  readonly tensors?: TensorSource;
  /** Without a file, bytes are the stored bits rounded up. */
  readonly file?: WrittenFile;
}

export interface WrittenFile {
  /** Size of the whole file, including headers. */
  readonly bytes: number;
  /** Returns the bytes of one tensor in the file. */
  tensorBytes(name: string): number;
}

export function countModel(shape: ModelShape, options: CountOptions = {}): ModelCounts {
  return sumModelCounts([...countRoles(shape, options)], options);
}

/** Yields role by role, so that counting a large file can be interrupted. */
export function* countRoles(shape: ModelShape, options: CountOptions = {}): Generator<RoleCounts> {
  yield* countMatrixRows(shape, options);
  yield* countTensorRows(shape, options);
}

export function sumModelCounts(roles: readonly RoleCounts[], { file }: CountOptions): ModelCounts {
  const nonEmbedding = sumTotals(roles.filter(({ embedding }) => !embedding));
  const total = sumTotals(roles);
  return { roles, nonEmbedding, total: { ...total, bytes: file?.bytes ?? total.bytes } };
}

/**
 * Returns the stored scalars of every part of a model by address: a matrix and a norm by role, a dense packed matrix by the
 * roles of its parts, a bias as `<role>.bias`. A packed matrix that is not dense has one number for the whole.
 */
export function countStoredByAddress(shape: ModelShape): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { matrix, bias, stored } of listMatrixSlots(shape)) {
    for (const { matrix: storedMatrix, type, representation, options } of stored)
      if (type === "dense" && storedMatrix.parts !== undefined)
        for (const { role, from, to } of storedMatrix.parts)
          counts.set(role, storedMatrix.inputs * (to - from));
      else counts.set(storedMatrix.role, representation.count(storedMatrix, options).stored);
    if (bias !== undefined) counts.set(biasRole(matrix), countBias(bias).stored);
  }
  for (const { role, shape: size } of tensorsOf(shape))
    counts.set(role, (counts.get(role) ?? 0) + sizeOf(size));
  return counts;
}

/** Yields one row for each stored matrix, including its bias. */
function* countMatrixRows(shape: ModelShape, options: CountOptions): Generator<RoleCounts> {
  const isTrained = createTrainedTest(shape);
  for (const { matrix: whole, bias, stored, split } of listMatrixSlots(shape))
    for (const [i, each] of stored.entries()) {
      const { matrix, representation, options: storedOptions } = each;
      const specs = [...representation.parameters(matrix, storedOptions)];
      const freeze = (found: MatrixCounts) =>
        isTrained(whole.role) ? found : { ...found, trainable: hasExits(shape) ? 0 : countAdapters(specs) };
      const counts = [freeze(representation.count(matrix, storedOptions, options.tensors))];
      // A matrix stored in parts has one bias tensor, counted with the first part.
      if (bias !== undefined && (!split || i === 0)) {
        specs.push(...listBiasParameters(bias));
        const biasCounts = countBias(bias, options.tensors);
        counts.push(isTrained(whole.role) ? biasCounts : { ...biasCounts, trainable: 0 });
      }
      yield createRow(matrix, describeStorage(each), matrix.kind !== "projection", specs, counts, options);
    }
}

const countAdapters = (specs: readonly ParameterSpec[]): number =>
  specs.reduce((sum, { adapter, shape }) => sum + (adapter === true ? sizeOf(shape) : 0), 0);

/** Yields one row for each role that is not a matrix: norms. */
function* countTensorRows(shape: ModelShape, options: CountOptions): Generator<RoleCounts> {
  const isTrained = createTrainedTest(shape);
  const byRole = new Map<string, ParameterSpec[]>();
  for (const spec of tensorsOf(shape)) byRole.set(spec.role, [...(byRole.get(spec.role) ?? []), spec]);
  for (const [role, specs] of byRole) {
    const [{ layer, embedding }] = specs as [ParameterSpec];
    const counts = countScalars(specs, options.tensors);
    yield createRow(
      { role, layer },
      "dense",
      embedding,
      specs,
      [isTrained(role) ? counts : { ...counts, trainable: 0 }],
      options,
    );
  }
}

function createRow(
  { role, layer }: Pick<ParameterSpec, "role" | "layer">,
  representation: string,
  embedding: boolean,
  specs: readonly ParameterSpec[],
  counts: readonly MatrixCounts[],
  { file }: CountOptions,
): RoleCounts {
  const added = sumTotals(counts.map((each) => ({ ...each, bytes: Math.ceil(each.bits / 8) })));
  const written = file && specs.reduce((bytes, { name }) => bytes + file.tensorBytes(name), 0);
  const place = layer === undefined ? {} : { layer, inLayer: stripLayer(role, layer) };
  return { role, ...place, representation, embedding, ...added, bytes: written ?? added.bytes };
}

function sumTotals(rows: readonly Counts[]): Counts {
  const sum = (key: keyof Counts) => rows.reduce((total, each) => total + each[key], 0);
  return {
    trainable: sum("trainable"),
    stored: sum("stored"),
    nonZero: sum("nonZero"),
    bits: sum("bits"),
    bytes: sum("bytes"),
  };
}
