/** Writes weights as one safetensors file, or as several with an index that maps tensors to files, in Hugging Face's layout. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { WorkbenchError } from "../../protocol/errors";
import { largest, type StoredDtype } from "../checkpoints/halfPrecision";
import {
  type FileTensor,
  type FileTensors,
  computeStoredBytes,
  writeSafetensors,
} from "../checkpoints/safetensors";

export interface Storage {
  readonly dtype: StoredDtype;
  /** Maximum size of a file. Only a file with a single tensor can be larger. */
  readonly shardBytes: number;
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  KI: 2 ** 10,
  MI: 2 ** 20,
  GI: 2 ** 30,
  TI: 2 ** 40,
};
export const sizePattern = /^(\d+(?:\.\d+)?)\s*([KMGT]i?)?B?$/i;

/** Parses a size such as `5GB` (decimal) or `500MiB` into bytes. */
export function parseSize(text: string): number {
  const [, number, unit = ""] = sizePattern.exec(text)!;
  return Math.floor(Number(number) * units[unit.toUpperCase()]!);
}

export function writeShards(folder: string, tensors: FileTensors, { dtype, shardBytes }: Storage): void {
  refuseOutOfRange(tensors, dtype);
  const shards = divide(tensors, dtype, shardBytes);
  const [single] = shards as [FileTensors];
  if (shards.length === 1) {
    writeSafetensors(join(folder, "model.safetensors"), single, {}, dtype);
    return;
  }
  const map: [string, string][] = [];
  const padded = (number: number) => String(number).padStart(5, "0");
  for (const [i, shard] of shards.entries()) {
    const name = `model-${padded(i + 1)}-of-${padded(shards.length)}.safetensors`;
    writeSafetensors(join(folder, name), shard, {}, dtype);
    for (const tensor of shard.keys()) map.push([tensor, name]);
  }
  const total = [...tensors.values()].reduce((sum, tensor) => sum + computeStoredBytes(tensor, dtype), 0);
  const index = { metadata: { total_size: total }, weight_map: Object.fromEntries(map) };
  writeFileSync(join(folder, "model.safetensors.index.json"), `${JSON.stringify(index, undefined, 2)}\n`);
}

/** Keeps the order of the tensors. Starts a new file before the tensor that would exceed the maximum size. */
function divide(tensors: FileTensors, dtype: StoredDtype, shardBytes: number): FileTensors[] {
  const shards = [new Map<string, FileTensor>()];
  let bytes = 0;
  for (const [name, tensor] of tensors) {
    const more = computeStoredBytes(tensor, dtype);
    if (bytes > 0 && bytes + more > shardBytes) {
      shards.push(new Map<string, FileTensor>());
      bytes = 0;
    }
    shards.at(-1)!.set(name, tensor);
    bytes += more;
  }
  return shards;
}

/** Throws if a finite weight would be written as infinity, because that would change the model. */
export function refuseOutOfRange(tensors: FileTensors, dtype: StoredDtype): void {
  if (dtype === "float32") return;
  const limit = largest[dtype];
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array)) continue;
    const large = data.find((each) => Math.abs(each) > limit && Number.isFinite(each));
    if (large === undefined) continue;
    throw new WorkbenchError(
      "unsupported",
      `${name} contains ${large}, but the largest value of ${dtype} is ${limit}. Export the model as ${dtype === "float16" ? "bfloat16 or float32" : "float32"}.`,
    );
  }
}
