/**
 * Adds rows for new tokens to the embedding of a trained model, to an untied head and to its bias, as transformers'
 * `resize_token_embeddings` does: drawn around the mean of the other rows, with their covariance times 1e-9.
 */
import { WorkbenchError } from "../../protocol/errors";
import { sizeOf } from "../graph/op";
import type { ParameterSpec } from "../representations/representation";
import { draw, type NamedTensor } from "./initialize";
import { dimensionsOf, type ModelShape, parametersOf } from "./model";

const covarianceScale = 1e-9;
/** For a bias, transformers scales the standard deviation. */
const biasScale = 1e-9;

/** Returns the model with at least `vocabulary` rows; rows are never removed. */
export function resizeShape(shape: ModelShape, vocabulary: number): ModelShape {
  if (vocabulary <= dimensionsOf(shape).vocabulary) return shape;
  return { ...shape, config: { ...shape.config, vocab_size: vocabulary } };
}

/** Returns the tensors of `to`, which differs from `from` only in having more rows. */
export function resizeTensors<Tensor extends { readonly data: object }>(
  from: ModelShape,
  to: ModelShape,
  tensors: ReadonlyMap<string, Tensor>,
  seed: number,
): Map<string, Tensor | NamedTensor> {
  const before = new Map(parametersOf(from).map((spec) => [spec.name, spec]));
  return new Map<string, Tensor | NamedTensor>(
    parametersOf(to).map((spec) => {
      const tensor = tensors.get(spec.name)!;
      const old = before.get(spec.name)!;
      if (old.shape.join() === spec.shape.join()) return [spec.name, tensor];
      refuseOtherLayout(old, spec);
      return [spec.name, { shape: spec.shape, data: addRows(old, spec, tensor.data as Float32Array, seed) }];
    }),
  );
}

function refuseOtherLayout(old: ParameterSpec, spec: ParameterSpec): void {
  const isRows = old.shape.slice(1).join() === spec.shape.slice(1).join();
  if (isRows && spec.dtype === "float32") return;
  throw new WorkbenchError(
    "unsupported",
    `resize_embeddings cannot add rows to ${spec.name}, which is ${old.dtype} [${old.shape.join(", ")}]. ` +
      "Resize the model before it is compressed.",
  );
}

/**
 * A new row is the mean plus a sum of the centered rows, each times a normal number. This gives the exact covariance of the
 * rows without building a [width, width] matrix.
 */
function addRows(old: ParameterSpec, spec: ParameterSpec, rows: Float32Array, seed: number): Float32Array {
  const [count, total] = [old.shape[0]!, spec.shape[0]!];
  const width = sizeOf(old.shape) / count;
  const scale =
    old.shape.length === 1
      ? biasScale / Math.sqrt(Math.max(1, count - 1))
      : Math.sqrt(covarianceScale / count);
  const mean = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) mean[i % width]! += rows[i]! / count;
  const all = new Float32Array(total * width);
  all.set(rows);
  for (let row = count; row < total; row++) {
    const weights = draw(
      {
        name: `${spec.name} row ${row}`,
        shape: [count],
        dtype: "float32",
        init: { kind: "normal", std: scale },
      },
      seed,
    );
    const sum = Float64Array.from(mean);
    for (let i = 0; i < rows.length; i++)
      sum[i % width]! += weights[Math.floor(i / width)]! * (rows[i]! - mean[i % width]!);
    all.set(sum, row * width);
  }
  return all;
}
