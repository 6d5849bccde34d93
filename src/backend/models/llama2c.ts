/**
 * Reads float32 checkpoints of llama2.c. Version 0 has seven sizes, then all tensors. Version 1 has a header of 256 bytes that
 * starts with a magic number, then the tensors in another order. Version 2 contains int8 codes and is rejected.
 * Source: karpathy/llama2.c, export.py (legacy_export, version1_export, version2_export).
 */
import { WorkbenchError } from "../../protocol/errors";
import { type Shape, sizeOf } from "../graph/op";
import { type ModelShape, createShape } from "./model";

export interface ImportedModel {
  readonly shape: ModelShape;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>;
}

const sizeNames = [
  "dim",
  "hidden_dim",
  "n_layers",
  "n_heads",
  "n_kv_heads",
  "vocab_size",
  "seq_len",
] as const;
type Sizes = Readonly<Record<(typeof sizeNames)[number], number>>;
/** "ak42", the start of versions 1 and later. */
const magic = 0x616b3432;
const headerBytes = { 0: 4 * sizeNames.length, 1: 256 } as const;
/** Far above any model of this format; a larger number indicates another kind of file. */
const maxSize = 1 << 20;

interface Header {
  readonly version: 0 | 1;
  readonly sizes: Sizes;
  /** Whether the head is the token embedding. */
  readonly isTied: boolean;
}

export interface Llama2cFile {
  /** Bytes of the whole file. */
  readonly bytes: number;
  /** Reads this many bytes from the start of the file. */
  readonly read: (bytes: number) => Uint8Array;
}

/**
 * Reads past the header only if its sizes add up to exactly the size of the file.
 * Throws `corrupt` if they do not, and `unsupported` for an unsupported version.
 */
export function readLlama2c(file: Llama2cFile, path: string): ImportedModel {
  const { version, sizes, isTied } = readHeader(file, path);
  const { dim, n_layers: layers, n_heads: heads, vocab_size: vocabulary, seq_len: context } = sizes;
  const shape = createShape({
    model_type: "llama",
    hidden_size: dim,
    intermediate_size: sizes.hidden_dim,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: sizes.n_kv_heads,
    vocab_size: vocabulary,
    max_position_embeddings: context,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: isTied,
    bos_token_id: 1,
    eos_token_id: 2,
  });

  const entries = version === 0 ? listEntriesOfVersion0(sizes, isTied) : listEntriesOfVersion1(sizes, isTied);
  const scalars = entries.reduce((total, [, size]) => total + sizeOf(size), 0);
  const expected = headerBytes[version] + 4 * scalars;
  if (file.bytes !== expected)
    throw corruptError(path, version, `its sizes ask for ${expected} bytes, but it has ${file.bytes}`);
  const whole = file.read(file.bytes);
  const numbers = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);

  const tensors = new Map<string, { shape: Shape; data: Float32Array }>();
  let at: number = headerBytes[version];
  for (const [name, size] of entries) {
    if (name !== rotaryTables) {
      const data = new Float32Array(sizeOf(size));
      for (let i = 0; i < data.length; i++) data[i] = numbers.getFloat32(at + 4 * i, true);
      const isRotated = name.endsWith("q_proj.weight") || name.endsWith("k_proj.weight");
      tensors.set(name, {
        shape: size,
        data: isRotated ? permutePairsToHalves(data, dim / heads, dim) : data,
      });
    }
    at += 4 * sizeOf(size);
  }
  return { shape, tensors };
}

function readHeader(file: Llama2cFile, path: string): Header {
  const bytes = file.read(Math.min(file.bytes, headerBytes[1]));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const hasMagic = bytes.length >= 8 && view.getUint32(0, true) === magic;
  const version = hasMagic ? view.getInt32(4, true) : 0;
  if (version === 2)
    throw new WorkbenchError(
      "unsupported",
      `${path} is a llama2.c checkpoint of version 2, whose int8 codes are not read. ` +
        "Export the model as float32 with llama2.c's `export.py --version 1`, or as a Hugging Face folder with `--version -1`.",
    );
  if (version !== 0 && version !== 1)
    throw new WorkbenchError(
      "unsupported",
      `${path} is a llama2.c checkpoint of version ${version}; versions 0 and 1 are read.`,
    );
  if (bytes.length < headerBytes[version])
    throw corruptError(path, version, `it has ${bytes.length} bytes, fewer than its header`);
  const start = hasMagic ? 8 : 0;
  const signed = sizeNames.map((name, i) => [name, view.getInt32(start + 4 * i, true)] as const);
  // In version 0 a negative vocabulary means that the head has a tensor of its own; version 1 has a flag.
  const sizes = Object.fromEntries(
    signed.map(([name, size]) => [name, version === 0 && name === "vocab_size" ? Math.abs(size) : size]),
  ) as unknown as Sizes;
  for (const [name, size] of Object.entries(sizes))
    if (size < 1 || size > maxSize) throw corruptError(path, version, `${name} is ${size}`);
  const isTied = hasMagic
    ? view.getUint8(start + 4 * sizeNames.length) !== 0
    : signed.every(([, size]) => size > 0);
  return { version, sizes, isTied };
}

type Entry = readonly [name: string, shape: Shape];

const rotaryTables = "rotary tables";

/** The tensors of a layer by name within the layer. */
function listLayerShapes({ dim, hidden_dim: inner, n_heads: heads, n_kv_heads: kvHeads }: Sizes) {
  const keys = kvHeads * (dim / heads);
  return {
    input_layernorm: [dim],
    "self_attn.q_proj": [dim, dim],
    "self_attn.k_proj": [keys, dim],
    "self_attn.v_proj": [keys, dim],
    "self_attn.o_proj": [dim, dim],
    post_attention_layernorm: [dim],
    "mlp.gate_proj": [inner, dim],
    "mlp.down_proj": [dim, inner],
    "mlp.up_proj": [inner, dim],
  } as const satisfies Readonly<Record<string, Shape>>;
}

/** Lists one kind of tensor for all layers, then the next kind. */
function listLayerEntries(
  sizes: Sizes,
  names: readonly (keyof ReturnType<typeof listLayerShapes>)[],
): Entry[] {
  const shapes = listLayerShapes(sizes);
  return names.flatMap((name) =>
    Array.from({ length: sizes.n_layers }, (_, layer): Entry => [
      `model.layers.${layer}.${name}.weight`,
      shapes[name],
    ]),
  );
}

const feedForward = ["mlp.gate_proj", "mlp.down_proj", "mlp.up_proj"] as const;
const attentionMatrices = [
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
] as const;

function listEntriesOfVersion0(sizes: Sizes, isTied: boolean): Entry[] {
  const { dim, vocab_size: vocabulary, seq_len: context, n_heads: heads } = sizes;
  return [
    ["model.embed_tokens.weight", [vocabulary, dim]],
    ...listLayerEntries(sizes, [
      "input_layernorm",
      ...attentionMatrices,
      "post_attention_layernorm",
      ...feedForward,
    ]),
    ["model.norm.weight", [dim]],
    // The tables follow from the sizes and are skipped.
    [rotaryTables, [context, dim / heads]],
    ...(isTied ? [] : [["lm_head.weight", [vocabulary, dim]] as const]),
  ];
}

function listEntriesOfVersion1(sizes: Sizes, isTied: boolean): Entry[] {
  const { dim, vocab_size: vocabulary } = sizes;
  return [
    ...listLayerEntries(sizes, ["input_layernorm", "post_attention_layernorm"]),
    ["model.norm.weight", [dim]],
    ["model.embed_tokens.weight", [vocabulary, dim]],
    ...listLayerEntries(sizes, [...attentionMatrices, ...feedForward]),
    ...(isTied ? [] : [["lm_head.weight", [vocabulary, dim]] as const]),
  ];
}

function corruptError(path: string, version: number, reason: string): WorkbenchError {
  return new WorkbenchError(
    "corrupt",
    `${path} is not a whole llama2.c checkpoint of version ${version}: ${reason}.`,
  );
}

/** llama2.c rotates neighboring channels of a head, Hugging Face rotates channel i with channel i + d/2: permutes the rows accordingly. */
function permutePairsToHalves(data: Float32Array, headDim: number, width: number): Float32Array {
  const out = new Float32Array(data.length);
  const half = headDim / 2;
  for (let row = 0; row < data.length / width; row++) {
    const channel = row % headDim;
    const to = row - channel + Math.floor(channel / 2) + (channel % 2) * half;
    out.set(data.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}
