/** Reads checkpoints of llama2.c, version 0: seven sizes, then every tensor in a fixed order, little-endian float32. */
import { WorkbenchError } from "../../protocol/errors";
import { type Shape, sizeOf } from "../graph/op";
import { type ModelShape, shapeFromConfig } from "./model";

export interface ImportedModel {
  readonly shape: ModelShape;
  readonly tensors: ReadonlyMap<string, { readonly shape: Shape; readonly data: Float32Array }>;
}

const headerNames = [
  "dim",
  "hidden_dim",
  "n_layers",
  "n_heads",
  "n_kv_heads",
  "vocab_size",
  "seq_len",
] as const;
const headerBytes = 4 * headerNames.length;
/** No model of this format comes near it; a larger number means that the file is something else. */
const largestSize = 1 << 20;

function corrupt(file: string, reason: string): WorkbenchError {
  return new WorkbenchError("corrupt", `${file} is no llama2.c checkpoint of version 0: ${reason}.`);
}

export interface Llama2cFile {
  /** Bytes of the whole file. */
  readonly bytes: number;
  /** Reads so many bytes from its beginning. */
  readonly read: (bytes: number) => Uint8Array;
}

/** Nothing behind the header is read unless the sizes in it ask for exactly as many bytes as there are. */
export function readLlama2c({ bytes: length, read: readFile }: Llama2cFile, file: string): ImportedModel {
  if (length < headerBytes) throw corrupt(file, `it has ${length} bytes, fewer than its header`);
  const bytes = readFile(headerBytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [dim, hiddenDim, layers, heads, kvHeads, signedVocabulary, context] = headerNames.map((name, i) => {
    const size = view.getInt32(4 * i, true);
    // A negative vocabulary says that the head has a tensor of its own.
    const magnitude = name === "vocab_size" ? Math.abs(size) : size;
    if (magnitude < 1 || magnitude > largestSize) throw corrupt(file, `${name} is ${size}`);
    return size;
  }) as [number, number, number, number, number, number, number];
  const vocabulary = Math.abs(signedVocabulary);
  const tied = signedVocabulary > 0;

  const shape = shapeFromConfig({
    model_type: "llama",
    hidden_size: dim,
    intermediate_size: hiddenDim,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    vocab_size: vocabulary,
    max_position_embeddings: context,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: tied,
    bos_token_id: 1,
    eos_token_id: 2,
  });

  const headDim = dim / heads;
  const kvDim = kvHeads * headDim;
  const layerTensors: readonly (readonly [name: string, shape: Shape])[] = [
    ["input_layernorm", [dim]],
    ["self_attn.q_proj", [dim, dim]],
    ["self_attn.k_proj", [kvDim, dim]],
    ["self_attn.v_proj", [kvDim, dim]],
    ["self_attn.o_proj", [dim, dim]],
    ["post_attention_layernorm", [dim]],
    ["mlp.gate_proj", [hiddenDim, dim]],
    ["mlp.down_proj", [dim, hiddenDim]],
    ["mlp.up_proj", [hiddenDim, dim]],
  ];
  const perLayer = layerTensors.reduce((total, [, size]) => total + sizeOf(size), 0);
  // Rotary tables stand between the last norm and the head; they follow from the sizes and are not read.
  const tables = context * headDim;
  const scalars = vocabulary * dim * (tied ? 1 : 2) + layers * perLayer + dim + tables;
  if (length !== headerBytes + 4 * scalars)
    throw corrupt(file, `its sizes ask for ${headerBytes + 4 * scalars} bytes, but it has ${length}`);
  const whole = readFile(length);
  const numbers = new DataView(whole.buffer, whole.byteOffset, whole.byteLength);

  const tensors = new Map<string, { shape: Shape; data: Float32Array }>();
  let at = headerBytes;
  const read = (name: string, size: Shape) => {
    const data = new Float32Array(sizeOf(size));
    for (let i = 0; i < data.length; i++) data[i] = numbers.getFloat32(at + 4 * i, true);
    at += 4 * data.length;
    const rotated = name.endsWith("q_proj.weight") || name.endsWith("k_proj.weight");
    tensors.set(name, { shape: size, data: rotated ? pairsToHalves(data, headDim, dim) : data });
  };
  read("model.embed_tokens.weight", [vocabulary, dim]);
  // The file holds one kind of tensor for all layers, then the next kind.
  for (const [name, size] of layerTensors)
    for (let layer = 0; layer < layers; layer++) read(`model.layers.${layer}.${name}.weight`, size);
  read("model.norm.weight", [dim]);
  at += 4 * tables;
  if (!tied) read("lm_head.weight", [vocabulary, dim]);
  return { shape, tensors };
}

/** llama2.c rotates neighbouring channels of a head, Hugging Face channel i with channel i + d/2: the rows move accordingly. */
function pairsToHalves(data: Float32Array, headDim: number, width: number): Float32Array {
  const out = new Float32Array(data.length);
  const half = headDim / 2;
  for (let row = 0; row < data.length / width; row++) {
    const channel = row % headDim;
    const to = row - channel + Math.floor(channel / 2) + (channel % 2) * half;
    out.set(data.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}
