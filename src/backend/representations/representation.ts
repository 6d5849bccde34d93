/** Interfaces for how a matrix of a model is stored and applied. Models define what a matrix is for; methods compute its values. */
import type { z } from "zod";
import { type Shape, sizeOf, type Value } from "../graph/op";

export type Init =
  | { readonly kind: "normal"; readonly std: number }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "ones" }
  | { readonly kind: "zeros" };

/** One stored tensor of a model. */
export interface ParameterSpec {
  /** The tensor's name in a Hugging Face checkpoint, or derived from it. */
  readonly name: string;
  readonly shape: Shape;
  /** `int8` is for codes, `bool` for masks, `uint8` and `int4` for packed codes at inference. Only `float32` is trained. */
  readonly dtype: "float32" | "int8" | "int4" | "uint8" | "bool";
  readonly init: Init;
  /** False for tensors that training must not change, such as masks. */
  readonly trainable: boolean;
  /** Whether weight decay applies. True for matrices, false for biases and norms. */
  readonly decay: boolean;
  /** The role that its counts are added to. */
  readonly role: string;
  /** The layer it belongs to, from 0; absent outside the layers. */
  readonly layer?: number | undefined;
  /** True for token and position embeddings and the head, which non-embedding counts exclude. */
  readonly embedding: boolean;
  /** How a packed file stores it in fewer bits than memory does; these are exactly the bits that are counted. */
  readonly packing?: Packing;
  /** What each axis indexes. */
  readonly axes?: readonly Axis[];
  /** True for a tensor of an adapter: while a model has adapters, its other tensors are not trained. */
  readonly adapter?: true;
}

/**
 * What an axis indexes. Axes of the same kind and layer have the same units and are pruned together, although the size of
 * a unit can differ: a key-value head is `head_dim` outputs of a key matrix, and of a query matrix the outputs of all
 * query heads that read it.
 */
export interface Axis {
  readonly kind: AxisKind;
  /** Absent if the axis belongs to the whole model. */
  readonly layer?: number;
  readonly units: number;
  /** Entries per unit. */
  readonly unit: number;
}

/** `heads` are key-value heads; `channels` are the hidden channels of a feed-forward layer; a `packed` axis has parts with separate axes; a `bond` joins the factors of one matrix. */
export type AxisKind =
  "vocabulary" | "positions" | "types" | "hidden" | "heads" | "channels" | "packed" | "classes" | "bond";

/** The purpose of a matrix in a model, for methods that apply to one kind only. */
export type Purpose =
  | "token embedding"
  | "position embedding"
  | "type embedding"
  | "query"
  | "key"
  | "value"
  | "attention output"
  | "gate"
  | "up"
  | "down"
  | "packed"
  | "head";

export interface Packing {
  /** Name of a mask; only the scalars that it keeps are stored. */
  readonly keptBy?: string;
  /** Integers of `bits` bits, starting from `lowest`. */
  readonly integers?: { readonly bits: number; readonly lowest: number };
  /** −1, 0 and 1, five of them per byte. */
  readonly ternary?: true;
}

/** A matrix W in y = x·W + b, independent of its representation. */
export interface MatrixSpec {
  /** Its address, the same in every family: `layers.3.self_attn.q_proj`. For users and their patterns; code must not parse it. */
  readonly role: string;
  readonly purpose: Purpose;
  /** The layer it belongs to, from 0; absent outside the layers. */
  readonly layer?: number | undefined;
  /** Its Hugging Face name without `.weight`. */
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  /** Axis order of the dense tensor: `in_out` as in GPT-2's Conv1D and in embeddings, `out_in` as in nn.Linear. */
  readonly layout: "in_out" | "out_in";
  /** An embedding is looked up by row; a head is an ordinary product that counts as embedding. */
  readonly kind: "projection" | "embedding" | "head";
  readonly bias: boolean;
  /** Its dense tensor, for a piece whose tensor has another name than `<name>.weight` or another shape with the same entries. */
  readonly weight?: { readonly name: string; readonly shape?: Shape };
  /** The configuration key that enables its bias, if any. */
  readonly biasKey?: string | undefined;
  readonly init: Init;
  /** What its inputs and outputs index. */
  readonly axes: readonly [Axis, Axis];
  /** Ranges of output columns with separate roles, for a matrix that packs several. */
  readonly parts?: readonly MatrixPart[];
}

export interface MatrixPart {
  readonly role: string;
  readonly purpose: Purpose;
  readonly from: number;
  readonly to: number;
  readonly axis: Axis;
}

/** A tensor with its values. `uint8` distinguishes other bytes, such as packed codes, from booleans. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly data: TensorData;
  readonly dtype?: "uint8";
}

export type TensorData = Float32Array | Int8Array | Uint8Array;
/** Returns the values of a stored tensor. Throws for an unknown name. */
export type TensorSource = (name: string) => TensorData;
/** Returns the graph value of a stored tensor. */
export type ValueSource = (name: string) => Value;

/** Cost of one matrix. The bytes of a file are known only from the file. */
export interface MatrixCounts {
  readonly trainable: number;
  readonly stored: number;
  readonly nonZero: number;
  readonly bits: number;
}

/** A matrix as applied at inference. */
export interface Inference {
  /** Replace the parameters of the representation. */
  readonly parameters: readonly ParameterSpec[];
  tensors(source: TensorSource): readonly (readonly [name: string, tensor: StoredTensor])[];
  /** Like `apply` of the representation. */
  apply(x: Value, values: ValueSource): Value;
  /** Like `dense` of the representation, if the tensors differ. */
  dense?(values: ValueSource): Value;
}

/** Whether a file may use operators that only ONNX Runtime supports. */
export type FileOperators = "microsoft" | "standard";

export interface Representation<O> {
  readonly title: string;
  /** A sentence on what it saves in file size, memory and time; absent for the dense matrix. */
  readonly worth?: string;
  /** A sentence on what rounding its inputs saves; undefined if they are not rounded. */
  inputRounding?(options: O): string | undefined;
  /** What a file has instead of a dense matrix, named for exports that write the dense matrix. */
  readonly contents?: string;
  readonly options: z.ZodType<O>;
  /** Why a matrix cannot be stored this way, or undefined if it can. */
  refuses?(matrix: MatrixSpec, options: O): string | undefined;
  parameters(matrix: MatrixSpec, options: O): readonly ParameterSpec[];
  /**
   * The smaller matrices that it stores, each with a role, name and sizes of its own. Each is dense unless `withPieces` gives
   * it a representation. Absent if it stores none.
   */
  pieces?(matrix: MatrixSpec, options: O): readonly MatrixSpec[];
  /** The same representation of a matrix whose pieces are stored this way, in the order of `pieces`. */
  withPieces?(pieces: readonly StoredPiece[]): Representation<O>;
  /**
   * y = x·W without bias: [rows, inputs] → [rows, outputs]. With `onPiece`, every piece is applied to an input of its own.
   * `drop` is present in training.
   */
  apply(
    x: Value,
    values: ValueSource,
    matrix: MatrixSpec,
    options: O,
    onPiece?: OnMatrix,
    drop?: DropInputs,
  ): Value;
  /** A faster form for inference, without dequantization; undefined if there is none. */
  inference?(matrix: MatrixSpec, options: O): Inference | undefined;
  /** The form in files for other runtimes, if it differs from the stored form. */
  inFile?(matrix: MatrixSpec, options: O, operators: FileOperators): Inference | undefined;
  /** Rows of an embedding by int32 ids [n]: [n, outputs]; absent where they are gathered from `dense`. */
  lookup?(ids: Value, values: ValueSource, matrix: MatrixSpec, options: O): Value;
  /** The dense matrix as a subgraph, in the layout of its family, for embeddings and tied heads. */
  dense?(values: ValueSource, matrix: MatrixSpec, options: O): Value;
  /** Computes the dense matrix, always [inputs, outputs]. */
  materialize(tensors: TensorSource, matrix: MatrixSpec, options: O): Float32Array;
  /** Converts options that depend on the role `from`, so that the matrix has the same values under its new role. */
  convertOptions?(options: O, from: string): O;
  /** Exact counts. Without tensors, zeros are unknown and count as nonzero. */
  count(matrix: MatrixSpec, options: O, tensors?: TensorSource): MatrixCounts;
}

// The catalog contains representations with any options; each parses its options before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyRepresentation = Representation<any>;

/** A piece of a matrix with its representation. */
export interface StoredPiece {
  readonly matrix: MatrixSpec;
  readonly representation: AnyRepresentation;
  readonly options: unknown;
}

/** Called with the role, input [rows, inputs] and output [rows, outputs] of each applied matrix. */
export type OnMatrix = (role: string, x: Value, y: Value) => void;

/** Drops a share of x [rows, inputs]; every call has its own random stream. */
export type DropInputs = (x: Value, rate: number) => Value;

/** The default `count` is for representations that store only float32 tensors. */
export function defineRepresentation<O>(
  definition: Omit<Representation<O>, "count"> & Partial<Pick<Representation<O>, "count">>,
): Representation<O> {
  return {
    count: (matrix, options, tensors) => countScalars(definition.parameters(matrix, options), tensors),
    ...definition,
  };
}

/** Counts float32 tensors. */
export function countScalars(specs: readonly ParameterSpec[], tensors?: TensorSource): MatrixCounts {
  const scalars = (of: readonly ParameterSpec[]) => of.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const stored = scalars(specs);
  return {
    trainable: scalars(specs.filter(({ trainable }) => trainable)),
    stored,
    nonZero:
      tensors === undefined ? stored : specs.reduce((sum, { name }) => sum + countNonZeros(tensors(name)), 0),
    bits: stored * scalarBits,
  };
}

/** A trainable float32 tensor of a matrix. */
export function createWeightSpec(
  matrix: MatrixSpec,
  suffix: string,
  shape: Shape,
  init: Init = matrix.init,
): ParameterSpec {
  return {
    name: `${matrix.name}.${suffix}`,
    shape,
    dtype: "float32",
    init,
    trainable: true,
    decay: true,
    role: matrix.role,
    layer: matrix.layer,
    embedding: matrix.kind !== "projection",
  };
}

export function countNonZeros(data: TensorData): number {
  let count = 0;
  for (const each of data) if (each !== 0) count++;
  return count;
}

/** Bits per stored float32 scalar. */
export const scalarBits = 32;
