/** Copies batches, scalars and weights from the host to the device. */
import type { Batch } from "../data/split";
import type { Engine, Tensor, Tensors } from "../engine/engine";
import { LazyTensor } from "../checkpoints/lazyTensor";
import { dtypeOf, type HostTensor, type HostTensors } from "../checkpoints/safetensors";

export function feedBatch(engine: Engine, batch: Batch): Tensors {
  const type = { dtype: "int32", shape: [batch.rows, batch.length] } as const;
  const feeds: Record<string, Tensor> = {
    tokens: engine.upload(type, batch.tokens),
    labels: engine.upload(type, batch.labels),
  };
  if (batch.targets !== undefined)
    feeds.targets = engine.upload({ ...type, dtype: "float32" }, batch.targets);
  if (batch.segments !== undefined) feeds.segments = engine.upload(type, batch.segments);
  if (batch.types !== undefined) feeds.types = engine.upload(type, batch.types);
  if (batch.positions !== undefined) feeds.positions = engine.upload(type, batch.positions);
  return feeds;
}

export function uploadScalar(engine: Engine, number: number): Tensor {
  return engine.upload({ dtype: "float32", shape: [] }, Float32Array.of(number));
}

export function uploadAll(engine: Engine, tensors: HostTensors): Tensors {
  return Object.fromEntries([...tensors].map(([name, tensor]) => [name, uploadHost(engine, tensor)]));
}

/** Copies the array, because the engine may keep and overwrite it. What is read from a file is a copy already. */
function uploadHost(engine: Engine, tensor: HostTensor): Tensor {
  if (tensor instanceof LazyTensor) return handOver(engine, tensor);
  return handOver(engine, { ...tensor, data: tensor.data.slice() });
}

/** Transfers the array to the engine without a copy. */
export function handOver(engine: Engine, tensor: HostTensor): Tensor {
  return engine.upload({ dtype: tensor.dtype ?? dtypeOf(tensor), shape: tensor.shape }, tensor.data);
}

/** Copies the named tensors back to the host. */
export async function download(tensors: Tensors, names: Iterable<string>): Promise<HostTensors> {
  const host = new Map<string, HostTensor>();
  for (const name of names) {
    const tensor = tensors[name]!;
    const data = (await tensor.read()).slice() as HostTensor["data"];
    host.set(name, { shape: tensor.type.shape, data });
  }
  return host;
}
