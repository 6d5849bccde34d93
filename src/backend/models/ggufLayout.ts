/**
 * The tensors of a model under the names of llama.cpp, and how they are arranged in a GGUF file. Matrices have a row for each
 * output. The queries and keys of the architecture `llama` are rotated as neighboring channels there, so that the rows of
 * each head are reordered. Source: llama.cpp, `convert_hf_to_gguf.py`, `gguf-py/gguf/tensor_mapping.py`.
 */
import type { Shape } from "../graph/op";
import { architectures } from "./ggufArchitectures";
import { denseShape, transposeArray, weightName } from "../representations/dense";
import type { MatrixSpec } from "../representations/representation";
import { dimensionsOf, listMatrixSlots, type ModelShape, tensorsOf } from "./model";
import { stripLayer } from "./roles";

/** The names of llama.cpp by role. Those within layers begin with `blk.N.`. */
const namesByRole: Readonly<Record<string, string>> = {
  embed_tokens: "token_embd",
  embed_positions: "position_embd",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.qkv_proj": "attn_qkv",
  "self_attn.o_proj": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.gate_up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
  norm: "output_norm",
  lm_head: "output",
};

export interface GgufTensorLayout {
  /** The name in the file. */
  readonly name: string;
  /** The name of the model's own tensor. */
  readonly source: string;
  readonly role: string;
  /** [rows, columns] of a matrix in the file, or the length of a vector. The file lists the sizes in reverse. */
  readonly shape: Shape;
  /** Whether the model's own matrix has a row for each input. */
  readonly isTransposed: boolean;
  /** Whether it is stored in float32 in any file: vectors and position embeddings, which llama.cpp adds as they are. */
  readonly isFloat: boolean;
  /** Heads whose rows are reordered for rotation; absent if none are. */
  readonly permutedHeads?: number;
  /** Whether the file has the sum with 1: of norms that the model stores as their difference from 1. */
  readonly addsOne?: true;
}

/** Every tensor of a model whose matrices are dense, in forward order. */
export function listGgufTensors(shape: ModelShape): GgufTensorLayout[] {
  const plain = { ...shape, representations: {} };
  const { heads, kvHeads } = dimensionsOf(shape);
  const { isPermuted, addsOneToNorms, tensorNames = {} } = architectures[shape.family]!;
  const getName = (role: string, layer: number | undefined) =>
    getGgufName({ ...namesByRole, ...tensorNames }, role, layer);
  const headsOf = ({ purpose }: MatrixSpec) => {
    if (isPermuted !== true) return undefined;
    return purpose === "query" ? heads : purpose === "key" ? kvHeads : undefined;
  };
  const matrices = listMatrixSlots(plain).flatMap(({ matrix, bias }): GgufTensorLayout[] => {
    const base = getName(matrix.role, matrix.layer);
    const isTransposed = matrix.kind !== "embedding" && matrix.layout === "in_out";
    const permutedHeads = headsOf(matrix);
    const [rows, columns] = denseShape(matrix);
    const shared = { role: matrix.role, ...(permutedHeads === undefined ? {} : { permutedHeads }) };
    return [
      {
        ...shared,
        name: `${base}.weight`,
        source: weightName(matrix),
        shape: isTransposed ? [columns, rows] : [rows, columns],
        isTransposed,
        isFloat: matrix.purpose === "position embedding",
      },
      ...(bias === undefined
        ? []
        : [
            {
              ...shared,
              name: `${base}.bias`,
              source: bias.spec.name,
              shape: bias.spec.shape,
              isTransposed: false,
              isFloat: true,
            },
          ]),
    ];
  });
  const norms = tensorsOf(plain).map(({ name, role, layer, shape: size }): GgufTensorLayout => ({
    name: `${getName(role, layer)}.${name.slice(name.lastIndexOf(".") + 1)}`,
    source: name,
    role,
    shape: size,
    isTransposed: false,
    isFloat: true,
    ...(addsOneToNorms === true ? { addsOne: true } : {}),
  }));
  return [...matrices, ...norms];
}

function getGgufName(
  names: Readonly<Record<string, string>>,
  role: string,
  layer: number | undefined,
): string {
  const name = names[stripLayer(role, layer)];
  if (name === undefined) throw new Error(`${role} has no name in GGUF files.`);
  return layer === undefined ? name : `blk.${layer}.${name}`;
}

/** Rearranges the model's own tensor for the file. */
export function toGgufLayout(
  data: Float32Array,
  { shape, isTransposed, permutedHeads, addsOne }: GgufTensorLayout,
): Float32Array {
  if (addsOne === true) return data.map((each) => each + 1);
  const [rows, columns = 1] = shape as [number, number?];
  const byRow = isTransposed ? transposeArray(data, columns, rows) : data;
  return permutedHeads === undefined ? byRow : moveRows(byRow, columns, mapRotaryRows(rows, permutedHeads));
}

/** The inverse of `toGgufLayout`. */
export function fromGgufLayout(
  data: Float32Array,
  { shape, isTransposed, permutedHeads, addsOne }: GgufTensorLayout,
): Float32Array {
  if (addsOne === true) return data.map((each) => each - 1);
  const [rows, columns = 1] = shape as [number, number?];
  const moved =
    permutedHeads === undefined ? data : moveRows(data, columns, invert(mapRotaryRows(rows, permutedHeads)));
  return isTransposed ? transposeArray(moved, rows, columns) : moved;
}

/**
 * The row of the model that each row of the file has. Within a head of d rows, the model pairs row i with row i + d/2, and the
 * file pairs row 2i with row 2i + 1.
 */
export function mapRotaryRows(rows: number, heads: number): Int32Array {
  const size = rows / heads;
  return Int32Array.from({ length: rows }, (_, row) => {
    const [head, place] = [Math.floor(row / size), row % size];
    return head * size + (place % 2) * (size / 2) + Math.floor(place / 2);
  });
}

function invert(from: Int32Array): Int32Array {
  const out = new Int32Array(from.length);
  from.forEach((source, row) => (out[source] = row));
  return out;
}

/** Row i of the result is row `from[i]` of the data. */
export function moveRows<T extends Float32Array | Int8Array>(data: T, columns: number, from: Int32Array): T {
  const out = data.slice() as T;
  from.forEach((source, row) =>
    out.set(data.subarray(source * columns, (source + 1) * columns), row * columns),
  );
  return out;
}
