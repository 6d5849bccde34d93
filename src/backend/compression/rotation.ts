/**
 * Rotations of the residual stream that are folded into the weights: with an orthogonal Q, every matrix that writes to the
 * stream becomes W·Q, and every matrix that reads it Qᵀ·W. Norms commute with Q once their weights are in the matrices that
 * read them: an RMS norm with any Q, a layer norm with a Q that keeps the mean of the channels (Q·1 = 1). SliceGPT and
 * QuaRot, Ashkboos et al. 2024. The rotated model is a plain model of its family; a tied head becomes its own matrix,
 * because the embedding and the head differ by the weight of the last norm.
 */
import { WorkbenchError } from "../../protocol/errors";
import type { Checkpoint } from "../checkpoints/checkpoint";
import type { HostTensor } from "../checkpoints/safetensors";
import { listInputSources, type ResolvedSource } from "../models/inputSources";
import {
  dimensionsOf,
  listMatrixSlots,
  type ModelShape,
  parametersOf,
  tensorsOf,
  withRepresentations,
} from "../models/model";
import type { MatrixSlot } from "../models/weights";
import { fromInOut, toInOut, transposeArray, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import { requireDense } from "./cutAxes";
import type { Lab } from "./method";
import { readFloats } from "./unpackTargets";

type Algebra = Lab["algebra"];

/** Returns the shape of the rotated model, with a head of its own; throws if the model cannot be rotated. */
export function createRotatedShape(title: string, shape: ModelShape): ModelShape {
  requireDense(title, shape);
  const sources = listInputSources(shape);
  const normed = new Set(
    sources.flatMap(({ norm, readers }) =>
      norm === undefined ? [] : readers.map(({ matrix }) => matrix.role),
    ),
  );
  const isRead = listMatrixSlots(shape).find(
    ({ matrix: { role, axes } }) => axes[0].kind === "hidden" && !normed.has(role),
  );
  if (isRead !== undefined)
    throw new WorkbenchError(
      "unsupported",
      `${title} cannot be applied: the norms of ${shape.family} models are part of the residual stream or of the outputs that are added to it, so their weights cannot move into the matrices that read it, as a rotation requires.`,
    );
  if (!sources.some(({ isTied }) => isTied)) return shape;
  return withRepresentations({ ...shape, config: { ...shape.config, tie_word_embeddings: false } }, {});
}

/** Whether a rotation has to keep the mean of the channels. */
export function hasLayerNorms(shape: ModelShape): boolean {
  return listInputSources(shape).some(({ norm }) => norm?.kind === "layer");
}

/**
 * Moves the weights and biases of all norms into the matrices that read them, so that weights are 1 and biases 0. Only for a
 * reader without a bias, such as a head, the norm keeps a bias. `after` is the shape by `createRotatedShape`.
 */
export function foldNorms({ shape: before, tensors }: Checkpoint, after: ModelShape): Checkpoint {
  const out = new Map(tensors);
  untieHead(before, after, out);
  for (const source of listInputSources(after))
    if (source.norm !== undefined) foldNorm(out, source.norm, source);
  const names = parametersOf(after).map(({ name }) => name);
  return { shape: after, tensors: new Map(names.map((name) => [name, out.get(name)!])) };
}

/** The head that `after` has and `before` has not is a copy of the embedding, [vocabulary, width] in both. */
function untieHead(before: ModelShape, after: ModelShape, tensors: Map<string, HostTensor>): void {
  const roles = new Set(listMatrixSlots(before).map(({ matrix }) => matrix.role));
  const added = listMatrixSlots(after).find(({ matrix }) => !roles.has(matrix.role))?.matrix;
  if (added === undefined) return;
  const embedding = listMatrixSlots(after).find(({ matrix }) => matrix.purpose === "token embedding")!.matrix;
  tensors.set(weightName(added), tensors.get(weightName(embedding))!);
}

function foldNorm(
  tensors: Map<string, HostTensor>,
  norm: NonNullable<ResolvedSource["norm"]>,
  { readers }: ResolvedSource,
): void {
  const weight = readFloats(tensors, norm.weight);
  const bias = norm.bias === undefined ? undefined : readFloats(tensors, norm.bias);
  const isFolded = readers.every((slot) => slot.bias !== undefined);
  for (const slot of readers) {
    const { name, inputs, outputs, axes } = { ...slot.matrix, name: weightName(slot.matrix) };
    if (axes[0].kind !== "hidden") throw new Error(`${slot.matrix.role} does not read the residual stream.`);
    const dense = readMatrix(tensors, slot);
    if (bias !== undefined && isFolded) {
      const shift = Float64Array.from(readFloats(tensors, slot.bias!.spec.name));
      for (let i = 0; i < inputs; i++)
        for (let j = 0; j < outputs; j++) shift[j]! += bias[i]! * dense[i * outputs + j]!;
      tensors.set(slot.bias!.spec.name, { shape: [outputs], data: Float32Array.from(shift) });
    }
    const scaled = dense.map((each, i) => each * weight[Math.floor(i / outputs)]!);
    tensors.set(name, { shape: tensors.get(name)!.shape, data: fromInOut(scaled, slot.matrix) });
  }
  const set = (name: string, valueOf: (i: number) => number) =>
    tensors.set(name, { shape: [weight.length], data: Float32Array.from(weight, (_, i) => valueOf(i)) });
  set(norm.weight, () => 1);
  if (norm.bias === undefined) return;
  set(norm.bias, (i) => (isFolded || bias![i] === 0 ? 0 : divideBias(norm.weight, i, bias![i]!, weight[i]!)));
}

/** The bias before the weight of a norm, which has moved into a matrix. */
function divideBias(name: string, channel: number, bias: number, weight: number): number {
  if (weight !== 0) return bias / weight;
  throw new WorkbenchError(
    "unsupported",
    `The model cannot be rotated: ${name} is 0 at channel ${channel}, where the norm has a bias, and the matrix that reads it has none to which it could move.`,
  );
}

/** [inputs, outputs] */
const readMatrix = (
  tensors: ReadonlyMap<string, HostTensor>,
  { matrix }: Pick<MatrixSlot, "matrix">,
): Float32Array => toInOut(readFloats(tensors, weightName(matrix)), matrix);

/**
 * Multiplies everything along the residual stream by `q` [width, new width] with orthonormal columns. The norms of the model
 * have no weights (see `foldNorms`). `after` has the new width and is otherwise the same. `restore` has for a role the matrix
 * [new width, width] that gives its inputs from the new ones, in place of Qᵀ.
 */
export async function rotateStream(
  { shape, tensors }: Checkpoint,
  after: ModelShape,
  q: Float64Array,
  algebra: Algebra,
  restore: ReadonlyMap<string, Float64Array> = new Map(),
): Promise<Checkpoint> {
  const { width } = dimensionsOf(shape);
  const { width: newWidth } = dimensionsOf(after);
  const rotation = Float32Array.from(q);
  const resized = new Map(parametersOf(after).map((spec) => [spec.name, spec.shape]));
  const out = new Map(tensors);
  const set = (name: string, data: Float32Array) => out.set(name, { shape: resized.get(name)!, data });
  /** [rows, width] → [rows, new width] */
  const rotateRows = (data: Float32Array) =>
    algebra.multiply(data, rotation, [data.length / width, width, newWidth]);
  for (const slot of listMatrixSlots(shape)) {
    const { axes, inputs, outputs } = slot.matrix;
    const [isReader, isWriter] = [axes[0].kind === "hidden", axes[1].kind === "hidden"];
    if (!isReader && !isWriter) continue;
    let dense: Float32Array = readMatrix(tensors, slot);
    if (isWriter) dense = await rotateRows(dense);
    const columns = isWriter ? newWidth : outputs;
    if (isReader)
      dense = await algebra.multiply(
        Float32Array.from(restore.get(slot.matrix.role) ?? transposeArray(rotation, width, newWidth)),
        dense,
        [newWidth, width, columns],
      );
    const small: MatrixSpec = { ...slot.matrix, inputs: isReader ? newWidth : inputs, outputs: columns };
    set(weightName(slot.matrix), fromInOut(dense, small));
    if (isWriter && slot.bias !== undefined)
      set(slot.bias.spec.name, await rotateRows(readFloats(tensors, slot.bias.spec.name)));
  }
  const weights = new Set(listInputSources(shape).flatMap(({ norm }) => norm?.weight ?? []));
  for (const { name, axes = [] } of tensorsOf(shape)) {
    if (axes[0]?.kind !== "hidden") continue;
    const data = readFloats(tensors, name);
    set(name, weights.has(name) ? data.slice(0, newWidth) : await rotateRows(data));
  }
  return { shape: after, tensors: out };
}

/**
 * Rotates each head of the values and, back, of the inputs of the attention output, by `q` [head width, head width]. The
 * weights of attention mix tokens, not channels, so that the function stays the same.
 */
export async function rotateValues(
  { shape, tensors }: Checkpoint,
  q: Float64Array,
  algebra: Algebra,
): Promise<Checkpoint> {
  const { headDim } = dimensionsOf(shape);
  const rotation = Float32Array.from(q);
  const out = new Map(tensors);
  /** Multiplies each row of heads by the rotation. */
  const rotateHeads = (rows: Float32Array) =>
    algebra.multiply(rows, rotation, [rows.length / headDim, headDim, headDim]);
  for (const { producer, readers } of listInputSources(shape)) {
    if (producer === undefined || readers.some(({ matrix }) => matrix.axes[0].kind !== "heads")) continue;
    const { slot, from, to } = producer;
    const name = weightName(slot.matrix);
    const dense = readMatrix(out, slot).slice();
    const { inputs, outputs } = slot.matrix;
    const width = to - from;
    const values = new Float32Array(inputs * width);
    for (let i = 0; i < inputs; i++)
      values.set(dense.subarray(i * outputs + from, i * outputs + to), i * width);
    const rotated = await rotateHeads(values);
    for (let i = 0; i < inputs; i++)
      dense.set(rotated.subarray(i * width, (i + 1) * width), i * outputs + from);
    out.set(name, { shape: out.get(name)!.shape, data: fromInOut(dense, slot.matrix) });
    if (slot.bias !== undefined) {
      const bias = readFloats(out, slot.bias.spec.name).slice();
      bias.set(await rotateHeads(bias.slice(from, to)), from);
      out.set(slot.bias.spec.name, { shape: [outputs], data: bias });
    }
    for (const reader of readers) {
      // Each head reads with Qᵀ·W, which is W·Q of the transposed rows.
      const { matrix } = reader;
      const byOutput = transposeArray(readMatrix(out, reader), matrix.inputs, matrix.outputs);
      const turned = transposeArray(await rotateHeads(byOutput), matrix.outputs, matrix.inputs);
      const readerName = weightName(matrix);
      out.set(readerName, { shape: out.get(readerName)!.shape, data: fromInOut(turned, matrix) });
    }
  }
  return { shape, tensors: out };
}
