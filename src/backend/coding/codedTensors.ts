/**
 * Coded tensors in a safetensors file. Each is stored as a tensor of bytes with the suffix `.coded`. The file's metadata
 * lists their shapes, steps and the hashes of the decoded values. Tensors are decoded on demand.
 */
import { createHash } from "node:crypto";
import * as z from "zod";
import { WorkbenchError } from "../../protocol/errors";
import { type Shape, sizeOf } from "../graph/op";
import { widenInto } from "../checkpoints/halfPrecision";
import {
  dtypeOf,
  type HostTensor,
  type HostTensors,
  openTensors,
  type TensorFile,
} from "../checkpoints/safetensors";
import {
  asBytes,
  computeStageBytes,
  decodeChain,
  encodeChain,
  type OpenStep,
  type Stage,
  computeStages,
  type Step,
  stepSchema,
} from "./codecs";
import { openDFloat11 } from "./dfloat11";

const suffix = ".coded";
const metadataKey = "coded";

const entrySchema = z.strictObject({
  shape: z.array(z.int().min(0)),
  type: z.enum(["float32", "int8", "bool"]),
  steps: z.array(stepSchema).min(1),
  sha256: z.string(),
});
type Entry = z.output<typeof entrySchema>;
const entriesSchema = z.record(z.string(), entrySchema);

export interface CodedTensors {
  readonly tensors: HostTensors;
  readonly metadata: Readonly<Record<string, string>>;
  /** Bits of every tensor, coded or not, excluding padding of the last byte. */
  readonly bits: ReadonlyMap<string, number>;
}

/** The chains to try for a tensor. The shortest result is used; a tensor without chains is not coded. */
export type ChainSelector = (name: string, tensor: HostTensor) => readonly (readonly OpenStep[])[];

export function encodeTensors(source: HostTensors, getChains: ChainSelector): CodedTensors {
  const tensors = new Map<string, HostTensor>();
  const entries: [string, Entry][] = [];
  const bits = new Map<string, number>();
  const mask = (name: string) => source.get(name)!.data as Uint8Array;
  for (const [name, tensor] of source) {
    const { shape, data } = tensor;
    const type = dtypeOf(tensor);
    const [best] =
      data instanceof Int32Array || type === "int32"
        ? []
        : getChains(name, tensor)
            .map((steps) => encodeChain(data, steps, mask))
            .sort((a, b) => a.bytes.length - b.bytes.length);
    if (best === undefined || type === "int32") {
      tensors.set(name, tensor);
      bits.set(name, 8 * data.byteLength);
      continue;
    }
    const { steps, bytes } = best;
    const stages = computeStages({ type, size: data.length }, steps, mask)!;
    // Decodes before writing, to verify that the result is readable.
    const sha256 = computeHash(asBytes(decodeChain(bytes, stages, steps, mask)));
    tensors.set(name + suffix, {
      shape: [bytes.length],
      data: new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    });
    entries.push([name, { shape: [...shape], type, steps: [...steps], sha256 }]);
    bits.set(name, countBits(stages, steps, bytes.length));
  }
  return { tensors, metadata: { [metadataKey]: JSON.stringify(Object.fromEntries(entries)) }, bits };
}

function countBits(stages: readonly Stage[], steps: readonly Step[], bytes: number): number {
  const last = steps.at(-1)!;
  return last.codec === "integers" ? stages.at(-2)!.size * last.bits : 8 * bytes;
}

function computeHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Opens a safetensors file and decodes coded tensors, if any, transparently. */
export function openCodedTensors(path: string): TensorFile {
  const file = openTensors(path);
  const header = file.metadata[metadataKey];
  if (header === undefined) return file;
  try {
    return decodeFile(path, file, parseEntries(path, header, file));
  } catch (thrown) {
    file[Symbol.dispose]();
    throw thrown;
  }
}

/** Reads every tensor of the file; large ones that are not coded only when they are used. */
export function readCodedTensors(path: string): HostTensors {
  using file = openCodedTensors(path);
  return new Map([...file.shapes.keys()].map((name) => [name, file.getTensor(name)]));
}

function decodeFile(path: string, file: TensorFile, entries: ReadonlyMap<string, Entry>): TensorFile {
  const plain = [...file.shapes].filter(([name]) => !isCoded(name, entries));
  /** Caches the last decoded tensor, because tensors are read in chunks one after the other. */
  let last: { readonly name: string; readonly data: HostTensor["data"] } | undefined;

  function decodeWhole(name: string, entry: Entry): HostTensor["data"] {
    if (last?.name === name) return last.data;
    const mask = (by: string) => {
      const maskData = by === name ? undefined : read(by);
      if (maskData instanceof Uint8Array) return maskData;
      throw corruptFileError(path, `${name} is coded by ${by}, which is not a mask`);
    };
    const first: Stage = { type: entry.type, size: sizeOf(entry.shape) };
    const stages = computeStages(first, entry.steps, mask);
    const bytes = file.tensorBytes(name + suffix);
    if (stages === undefined || computeStageBytes(stages.at(-1)!) !== bytes)
      throw corruptFileError(path, `${name} cannot be decoded from its ${bytes} bytes`);
    const coded = asBytes(file.read(name + suffix) as Int8Array);
    const data = decodeChain(coded, stages, entry.steps, mask) as HostTensor["data"];
    if (computeHash(asBytes(data as Uint8Array)) !== entry.sha256)
      throw corruptFileError(path, `${name} does not decode to the original numbers`);
    last = { name, data };
    return data;
  }

  function read(name: string, from = 0, to?: number): HostTensor["data"] {
    const entry = entries.get(name);
    if (entry === undefined) return file.read(name, from, to);
    const size = sizeOf(entry.shape);
    const [begin, end] = [Math.min(from, size), Math.min(to ?? size, size)];
    if (end - begin < size && isBlockwise(entry)) return decodeBlocks(file, name, size, [begin, end]);
    const data = decodeWhole(name, entry);
    return end - begin === size ? data : data.slice(begin, end);
  }

  return {
    metadata: file.metadata,
    shapes: new Map([...plain, ...[...entries].map(([name, { shape }]): [string, Shape] => [name, shape])]),
    dtypes: new Map([
      ...[...file.dtypes].filter(([name]) => !isCoded(name, entries)),
      ...[...entries].map(([name, { type }]): [string, string] => [name, decodedDtypes[type]]),
    ]),
    tensorBytes: (name) => file.tensorBytes(entries.has(name) ? name + suffix : name),
    read,
    getTensor: (name) => {
      const entry = entries.get(name);
      return entry === undefined ? file.getTensor(name) : { shape: entry.shape, data: read(name) };
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

const decodedDtypes = { float32: "F32", int8: "I8", bool: "BOOL" } as const;

/** Whether parts can be decoded separately. */
function isBlockwise({ steps }: Entry): boolean {
  const [first, second] = steps;
  return (
    steps.length === 2 &&
    first!.codec === "half" &&
    first!.dtype === "bfloat16" &&
    second!.codec === "dfloat11"
  );
}

function decodeBlocks(
  file: TensorFile,
  name: string,
  size: number,
  [from, to]: readonly [number, number],
): Float32Array {
  const source = (begin: number, end: number) => asBytes(file.read(name + suffix, begin, end) as Int8Array);
  const words = openDFloat11(source, file.tensorBytes(name + suffix), size).read(from, to);
  const out = new Float32Array(words.length);
  widenInto(out, 0, words, "bfloat16");
  return out;
}

function isCoded(name: string, entries: ReadonlyMap<string, Entry>): boolean {
  return name.endsWith(suffix) && entries.has(name.slice(0, -suffix.length));
}

function corruptFileError(path: string, what: string): WorkbenchError {
  return new WorkbenchError(
    "corrupt",
    `${path} is not a valid file of weights: ${what}. Use another copy of the file.`,
  );
}

function parseEntries(path: string, json: string, file: TensorFile): ReadonlyMap<string, Entry> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw corruptFileError(path, "its list of coded tensors is not valid JSON");
  }
  const { data: entries, error } = entriesSchema.safeParse(parsed);
  if (entries === undefined)
    throw corruptFileError(path, `its list of coded tensors is invalid: ${z.prettifyError(error)}`);
  for (const [name, { shape, steps }] of Object.entries(entries)) {
    if (!file.shapes.has(name + suffix)) throw corruptFileError(path, `the coded tensor ${name} is missing`);
    if (file.shapes.has(name)) throw corruptFileError(path, `${name} occurs twice`);
    // A mask takes at least one bit per weight, or an eighth of a bit if coded, which limits the valid size.
    const claimed = sizeOf(shape);
    const most = steps[0]!.codec === "kept" ? Infinity : 64 * file.tensorBytes(name + suffix);
    if (claimed > most) throw corruptFileError(path, `${name} claims more numbers than it has bytes for`);
  }
  return new Map(Object.entries(entries));
}
