/**
 * Weights in DFloat11 within a safetensors file: each becomes a tensor of bytes under its name and `.dfloat11`, and the file's
 * metadata has the shapes. Reading decodes what is asked for.
 */
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { type Shape, sizeOf } from "../graph/op";
import { narrow, widenInto } from "../training/halfPrecision";
import { type HostTensor, type HostTensors, openTensors, type TensorFile } from "../training/safetensors";
import { type DFloat11, encodeDFloat11, openDFloat11 } from "./dfloat11";

const suffix = ".dfloat11";
const metadataKey = "dfloat11";
/** Below it the table of lengths would cost more than is won; such tensors stay bfloat16. */
const fewest = 2048;

const shapesSchema = z.record(z.string(), z.array(z.int().min(0)));

export interface CodedTensors {
  readonly tensors: HostTensors;
  readonly metadata: Readonly<Record<string, string>>;
  /** Weights that were coded, and the bytes that they take. */
  readonly weights: number;
  readonly bytes: number;
}

/** Float weights are rounded to bfloat16 first, which is the only loss. */
export function codeTensors(tensors: HostTensors): CodedTensors {
  const coded = new Map<string, HostTensor>();
  const shapes: [string, Shape][] = [];
  let [weights, total] = [0, 0];
  for (const [name, tensor] of tensors) {
    const { shape, data } = tensor;
    if (!(data instanceof Float32Array) || data.length < fewest) {
      coded.set(name, tensor);
      continue;
    }
    const bytes = encodeDFloat11(narrow(data, "bfloat16"));
    coded.set(name + suffix, {
      shape: [bytes.length],
      data: new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    });
    shapes.push([name, shape]);
    weights += data.length;
    total += bytes.length;
  }
  const metadata = { [metadataKey]: JSON.stringify(Object.fromEntries(shapes)) };
  return { tensors: coded, metadata, weights, bytes: total };
}

/** A safetensors file with or without coded weights, as if there were none. */
export function openCodedTensors(path: string): TensorFile {
  const file = openTensors(path);
  const said = file.metadata[metadataKey];
  if (said === undefined) return file;
  try {
    const shapes = shapesIn(path, said, file);
    const opened = new Map<string, DFloat11>();
    const plain = [...file.shapes].filter(
      ([name]) => !(name.endsWith(suffix) && shapes.has(name.slice(0, -suffix.length))),
    );
    return {
      metadata: file.metadata,
      shapes: new Map([...plain, ...shapes]),
      tensorBytes: (name) => file.tensorBytes(shapes.has(name) ? name + suffix : name),
      read: (name, from = 0, to) => {
        const shape = shapes.get(name);
        if (shape === undefined) return file.read(name, from, to);
        const size = sizeOf(shape);
        const coded =
          opened.get(name) ??
          openDFloat11(bytesOf(file, name + suffix), file.tensorBytes(name + suffix), size);
        opened.set(name, coded);
        const words = coded.read(Math.min(from, size), Math.min(to ?? size, size));
        const out = new Float32Array(words.length);
        widenInto(out, 0, words, "bfloat16");
        return out;
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (thrown) {
    file[Symbol.dispose]();
    throw thrown;
  }
}

function bytesOf(file: TensorFile, name: string) {
  return (from: number, to: number): Uint8Array => {
    const data = file.read(name, from, to);
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  };
}

function shapesIn(path: string, said: string, file: TensorFile): ReadonlyMap<string, Shape> {
  const broken = (what: string) =>
    new WorkbenchError("corrupt", `${path} is no usable file of weights: ${what}. Use another copy of it.`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(said);
  } catch {
    throw broken("its list of coded weights is no JSON");
  }
  const { data: shapes } = shapesSchema.safeParse(parsed);
  if (shapes === undefined) throw broken("its list of coded weights has no shapes");
  for (const [name, shape] of Object.entries(shapes)) {
    if (!file.shapes.has(name + suffix)) throw broken(`${name} is said to be coded and is not there`);
    if (file.shapes.has(name)) throw broken(`${name} is there twice`);
    // A byte of each weight is stored as it is, so that a shape cannot ask for more memory than the file has.
    if (sizeOf(shape) > file.tensorBytes(name + suffix))
      throw broken(`${name} claims more weights than it has bytes`);
  }
  return new Map(Object.entries(shapes));
}
