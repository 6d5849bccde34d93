/** Exported ONNX files, how to run them, and what they have to compute. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { expect } from "vitest";
import { type ExportResult, exportModel } from "../../src/backend/exports/exportModel";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import { input } from "../../src/backend/graph/op";
import { dimensionsOf, forward, type ModelShape, parametersOf } from "../../src/backend/models/model";
import type { HostTensors } from "../../src/backend/checkpoints/safetensors";
import { createUniform } from "./sampleValues";
import { createTemporaryFolder } from "./subject";
import { createLookup, createValues } from "./tensors";

export const [batch, time] = [2, 7];
export const sizes = { sequence_len: time, batch_size: batch };

export async function inFolder<T>(
  { shape, tensors }: Model,
  options: object,
  use: (folder: string, exported: ExportResult) => T | Promise<T>,
): Promise<T> {
  using folder = createTemporaryFolder();
  const target = join(folder.path, "out");
  return await use(target, await exportModel({ shape, tensors }, { format: "onnx", ...options }, target));
}

export interface Model {
  readonly shape: ModelShape;
  readonly tensors: HostTensors;
}

export function written(shape: ModelShape, tensors: HostTensors, options: object, name = "model.onnx") {
  return inFolder({ shape, tensors }, options, (folder) => readFileSync(join(folder, name)));
}

export function tokensFor(shape: ModelShape, count = batch * time): number[] {
  const random = createUniform(3);
  return Array.from({ length: count }, () => Math.floor(random() * dimensionsOf(shape).vocabulary));
}

/** Logits of the stored model by the plain evaluator. */
export function reference(
  { shape, tensors }: Model,
  [rows, columns]: readonly [number, number] = [batch, time],
  tokens = tokensFor(shape, rows * columns),
): Float64Array {
  const values = createValues(parametersOf(shape));
  const logits = forward(shape, createLookup(values), { tokens: input("tokens", [rows, columns], "int32") });
  const feeds = Object.fromEntries([...tensors].map(([name, { data }]) => [name, data]));
  return evaluateGraph({ outputs: { logits } }, { ...feeds, tokens })["logits"]!;
}

/** Feeds `input_ids` and `attention_mask`, all ones unless given, and any other int64 inputs. */
export async function run(
  file: Buffer | string,
  [rows, columns]: readonly [number, number],
  ids: readonly number[],
  more: Readonly<Record<string, readonly number[]>> = {},
  type: "int64" | "int32" = "int64",
): Promise<Float32Array> {
  // Otherwise products with DequantizeLinear round their inputs to int8.
  const exact = { extra: { session: { qdq_matmulnbits_accuracy_level: "1" } } };
  const session = await (typeof file === "string"
    ? InferenceSession.create(file, exact)
    : InferenceSession.create(file, exact));
  const feeds = { input_ids: ids, attention_mask: ids.map(() => 1), ...more };
  const { logits } = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, numbers]) => [
        name,
        new Tensor(type, type === "int64" ? BigInt64Array.from(numbers, BigInt) : Int32Array.from(numbers), [
          rows,
          columns,
        ]),
      ]),
    ),
  );
  await session.release();
  expect(logits!.dims.slice(0, 2)).toEqual([rows, columns]);
  return logits!.data as Float32Array;
}

export interface Decoded {
  readonly opsetImport: readonly { readonly domain: string }[];
  readonly graph: {
    readonly node: readonly { readonly domain: string; readonly opType: string }[];
    readonly input: readonly { readonly name: string }[];
    readonly initializer: readonly {
      readonly name: string;
      readonly dims: readonly unknown[];
      readonly rawData: Uint8Array;
    }[];
  };
}
