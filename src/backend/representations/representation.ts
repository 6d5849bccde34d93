/** How a matrix of a model is stored and applied. What a matrix is for belongs to models; how it got its values, to methods. */
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
  /** `int8` holds codes, `bool` masks, `uint8` and `int4` packed codes of a model that is only run; none is trained. */
  readonly dtype: "float32" | "int8" | "int4" | "uint8" | "bool";
  readonly init: Init;
  /** False for what training must leave alone, such as a mask. */
  readonly trainable: boolean;
  /** Whether weight decay applies: to matrices, not to biases and norms. */
  readonly decay: boolean;
  /** The role whose counts it belongs to. */
  readonly role: string;
  /** The layer it belongs to, from 0; absent outside the layers. */
  readonly layer?: number | undefined;
  /** Token and position embeddings and the head: left out of non-embedding counts. */
  readonly embedding: boolean;
  /** How a packed file holds it in fewer bits than memory does; exactly the bits that are counted. */
  readonly packing?: Packing;
  /** What each axis runs over. */
  readonly axes?: readonly Axis[];
}

/**
 * What an axis runs over. Axes of one kind and one layer have the same units and shrink together, whatever a unit is in each
 * of them: a key-value head has `head_dim` outputs of a key matrix, and those of all queries that read it in a query matrix.
 */
export interface Axis {
  readonly kind: AxisKind;
  /** Absent where it is of the whole model. */
  readonly layer?: number;
  readonly units: number;
  /** Entries that belong to one unit. */
  readonly unit: number;
}

/** `heads` are key-value heads, `channels` those inside a feed-forward layer; `packed` has parts with axes of their own. */
export type AxisKind =
  "vocabulary" | "positions" | "types" | "hidden" | "heads" | "channels" | "packed" | "classes";

/** What a matrix does in a model, for methods that treat one kind alone. */
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
  /** Only what the mask of this name keeps. */
  readonly keptBy?: string;
  /** Whole numbers of a few bits, from the lowest on. */
  readonly integers?: { readonly bits: number; readonly lowest: number };
}

/** A matrix W of y = x·W + b, whatever it is stored as. */
export interface MatrixSpec {
  /** Its address, the same in every family: `layers.3.self_attn.q_proj`. Only people and their patterns take it apart. */
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
  /** The key of the configuration that gives it a bias, where there is one. */
  readonly biasKey?: string | undefined;
  readonly init: Init;
  /** What its inputs and its outputs run over. */
  readonly axes: readonly [Axis, Axis];
  /** Ranges of output columns with roles of their own, for a matrix that packs several. */
  readonly parts?: readonly MatrixPart[];
}

export interface MatrixPart {
  readonly role: string;
  readonly purpose: Purpose;
  readonly from: number;
  readonly to: number;
  readonly axis: Axis;
}

/** A tensor with its values; `uint8` marks bytes that are not booleans, such as packed codes. */
export interface StoredTensor {
  readonly shape: Shape;
  readonly data: TensorData;
  readonly dtype?: "uint8";
}

export type TensorData = Float32Array | Int8Array | Uint8Array;
/** Values of stored tensors by name; throws for a name that is not there. */
export type TensorSource = (name: string) => TensorData;
/** Graph values of stored tensors by name. */
export type ValueSource = (name: string) => Value;

/** What one matrix costs; the bytes of a file are known only where the file is. */
export interface MatrixCounts {
  readonly trainable: number;
  readonly stored: number;
  readonly nonZero: number;
  readonly bits: number;
}

/** A matrix as it is applied where nothing is trained. */
export interface Inference {
  /** In place of those that it does not name. */
  readonly parameters: readonly ParameterSpec[];
  tensors(source: TensorSource): readonly (readonly [name: string, tensor: StoredTensor])[];
  /** As `apply` of the representation. */
  apply(x: Value, values: ValueSource): Value;
  /** As `dense` of the representation, where that reads other tensors too. */
  dense?(values: ValueSource): Value;
}

/** Whether a file may use operators that ONNX Runtime alone has. */
export type FileOperators = "microsoft" | "standard";

export interface Representation<O> {
  readonly title: string;
  /** Whether what it stores is really less to write, hold and compute, in a sentence; absent where it is the dense matrix. */
  readonly worth?: string;
  readonly options: z.ZodType<O>;
  /** Why a matrix cannot be stored this way; undefined where it can. */
  refuses?(matrix: MatrixSpec, options: O): string | undefined;
  parameters(matrix: MatrixSpec, options: O): readonly ParameterSpec[];
  /** y = x·W without bias: [rows, inputs] → [rows, outputs]. */
  apply(x: Value, values: ValueSource, matrix: MatrixSpec, options: O): Value;
  /** How the runtime applies it better than through floats where nothing is trained; undefined where it cannot. */
  inference?(matrix: MatrixSpec, options: O): Inference | undefined;
  /** How a file for other runtimes holds and applies it, where that is not as it is stored. */
  inFile?(matrix: MatrixSpec, options: O, operators: FileOperators): Inference | undefined;
  /** The dense matrix as a subgraph, in the matrix's own layout: what embeddings and tied heads need. */
  dense?(values: ValueSource, matrix: MatrixSpec, options: O): Value;
  /** The dense matrix that it stands for, always [inputs, outputs]. */
  materialise(tensors: TensorSource, matrix: MatrixSpec, options: O): Float32Array;
  /** The options with which a matrix of another role stands for the same values, where they depend on the role. */
  moved?(options: O, from: MatrixSpec): O;
  /** Exact counts; from the shape alone, zeros among the values are not known and count as non-zeros. */
  count(matrix: MatrixSpec, options: O, tensors?: TensorSource): MatrixCounts;
}

// The catalog holds representations of any options; each parses its own before use.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyRepresentation = Representation<any>;

/** Without a `count` of its own a representation stores nothing but float32 tensors. */
export function defineRepresentation<O>(
  given: Omit<Representation<O>, "count"> & Partial<Pick<Representation<O>, "count">>,
): Representation<O> {
  return {
    count: (matrix, options, tensors) => countScalars(given.parameters(matrix, options), tensors),
    ...given,
  };
}

/** Of float32 tensors. */
export function countScalars(specs: readonly ParameterSpec[], tensors?: TensorSource): MatrixCounts {
  const scalars = (of: readonly ParameterSpec[]) => of.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const stored = scalars(specs);
  return {
    trainable: scalars(specs.filter(({ trainable }) => trainable)),
    stored,
    nonZero:
      tensors === undefined ? stored : specs.reduce((sum, { name }) => sum + nonZeros(tensors(name)), 0),
    bits: stored * scalarBits,
  };
}

/** A trained float32 tensor of a matrix. */
export function weightSpec(
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

export function nonZeros(data: TensorData): number {
  let count = 0;
  for (const each of data) if (each !== 0) count++;
  return count;
}

/** Bits of one stored float32 scalar. */
export const scalarBits = 32;
