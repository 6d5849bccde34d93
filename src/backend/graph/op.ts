/**
 * Values and operations of a computation graph. A value is a node with a static shape, compared by object identity.
 * The definition of an operation includes its type rule, gradient, reference evaluation and ONNX form.
 */

/** Element types. `int4` is for storage only, two numbers per byte, the first in the low nibble. */
export type DType = "float32" | "float64" | "int64" | "int32" | "int8" | "int4" | "uint8" | "bool";

/** TensorProto.DataType numbers of the ONNX format. */
export const onnxDtype: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  int4: 22,
};
export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Attributes of an operation. Plain data, so that a graph can be listed, compared and encoded. */
export type Attrs = Readonly<Record<string, number | string | boolean | readonly number[]>>;
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an operation without attributes takes none
export type NoAttrs = {};

export type ConstantData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

export type Value = { readonly type: TensorType } & (
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "parameter"; readonly name: string }
  | { readonly kind: "constant"; readonly data: ConstantData }
  | {
      readonly kind: "apply";
      readonly op: AnyOp;
      readonly inputs: readonly Value[];
      readonly attrs: Attrs;
    }
);
export type Apply = Extract<Value, { kind: "apply" }>;

/** Optional inputs are at the end. */
export type Inputs = readonly (Value | undefined)[];

/** A tuple as long as `In`: one type, gradient or flag per input. */
export type Same<In extends Inputs, T> = { readonly [K in keyof In]: T };

/** Maps dL/d(output) to dL/d(input) for each input; null if no gradient flows. The caller reverses broadcasting. */
export type Gradient<In extends Inputs, A extends Attrs> = (call: {
  readonly inputs: In;
  readonly output: Value;
  readonly grad: Value;
  readonly attrs: A;
  /** False for inputs whose gradient is not needed. */
  readonly needs: Same<In, boolean>;
}) => Same<In, Value | null>;

/** A dense tensor of the reference evaluator: row-major, in double precision for every dtype. */
export interface PlainTensor {
  readonly type: TensorType;
  readonly data: Float64Array;
}

/** Inputs and attributes with which the contract test runs an operation. */
export interface Sample<A> {
  readonly inputs: readonly (
    Shape | { readonly dtype: DType; readonly shape: Shape; readonly range?: readonly [number, number] }
  )[];
  /** Values are drawn uniformly from this range. Default: [-1, 1]. */
  readonly range?: readonly [number, number];
  readonly attrs: A;
}

/** Writes ONNX nodes; each call returns the name of its output. */
export interface Emitter {
  node(onnx: string, inputs: readonly string[], attributes?: Attrs, domain?: string): string;
  constant(data: ConstantData, shape: Shape): string;
  /** int64 sizes for a Reshape or Expand node. */
  shape(sizes: Shape): string;
  /** True if only standard operators may be used, because other runtimes read the file. */
  readonly portable: boolean;
  /** True if products with packed codes may be used, which only ONNX Runtime supports. */
  readonly packed: boolean;
  /** True if the runtime supports products with a fused transpose and factor. */
  readonly fused: boolean;
}

export interface OpDefinition<In extends readonly Value[], A extends Attrs> {
  /** Name in listings; equal to the name of the export. */
  readonly name: string;
  /** An ONNX operator with the same inputs and attributes, or a function that writes the nodes. */
  readonly onnx:
    | string
    | ((
        emit: Emitter,
        inputs: readonly string[],
        call: { attrs: A; types: Same<In, TensorType>; type: TensorType },
      ) => string);
  infer(types: Same<In, TensorType>, attrs: A): TensorType;
  /** "zero": the gradient is zero everywhere. "stop": the operation must not be differentiated. */
  readonly gradient: Gradient<In, A> | "zero" | "stop";
  /** Reference implementation in double precision, for tests; `type` is the inferred output type. */
  evaluate(inputs: Same<In, PlainTensor>, attrs: A, type: TensorType): Float64Array;
  readonly samples: readonly Sample<A>[];
}

/**
 * An operation that is a function of other operations, such as attention. Executors may have a kernel for its name; for all
 * others, `expandComposites` replaces a call by the body. A call is the value of its first output; `outputOf` returns others.
 */
export interface CompositeDefinition<In extends Inputs, A extends Attrs> {
  /** Name in listings and in tables of kernels; equal to the name of the export. */
  readonly name: string;
  /** Builds the outputs. It may depend on nothing but the types of the inputs and the attributes. */
  body(inputs: In, attrs: A): readonly [Value, ...Value[]];
  /**
   * True if there is one output, each element of which depends only on the same element of the inputs, which all have its
   * shape. Executors may compute such a call in blocks.
   */
  readonly elementwise?: boolean;
  /**
   * The gradient of the first output, such as a call of another composite. Default, and where it returns undefined: the
   * gradient of the body.
   */
  readonly gradient?: ((...call: Parameters<Gradient<In, A>>) => Same<In, Value | null> | undefined) | "stop";
  /** Empty for a gradient: the samples of its operation test it with consistent inputs. */
  readonly samples: readonly Sample<A>[];
}

// Inputs and attributes are type-checked at the call; the graph stores operations with their types erased.
/* eslint-disable @typescript-eslint/no-explicit-any */
export type AnyPrimitive = OpDefinition<any, any>;
export type AnyComposite = CompositeDefinition<any, any>;
/* eslint-enable @typescript-eslint/no-explicit-any */
export type AnyOp = AnyPrimitive | AnyComposite;

/** An operation is called with its inputs, followed by its attributes, if any. */
export type Call<In extends Inputs, A extends Attrs> = keyof A extends never
  ? (...inputs: In) => Value
  : (...call: [...In, A]) => Value;
export type Op<In extends readonly Value[], A extends Attrs = NoAttrs> = OpDefinition<In, A> & Call<In, A>;

export function defineOp<In extends readonly Value[], A extends Attrs = NoAttrs>(
  definition: OpDefinition<In, A>,
): Op<In, A> {
  return createCallable<In, A, OpDefinition<In, A>>(definition, (types, attrs) =>
    definition.infer(types, attrs),
  );
}

/** Makes a definition a function that builds its calls; `infer` returns the type of a call. */
export function createCallable<In extends Inputs, A extends Attrs, D extends AnyOp>(
  definition: D,
  infer: (types: Same<In, TensorType>, attrs: A) => TensorType,
): D & Call<In, A> {
  const apply = (...call: readonly unknown[]): Value => {
    const last = call.at(-1);
    const hasAttrs = last !== undefined && !isValue(last);
    const inputs = (hasAttrs ? call.slice(0, -1) : call).filter(isValue);
    const attrs = (hasAttrs ? last : {}) as A;
    const type = inferType(definition.name, infer, inputs, attrs);
    return { kind: "apply", op, inputs, attrs, type };
  };
  // The `name` of a function cannot be assigned, but it can be redefined.
  const op = Object.defineProperties(apply, Object.getOwnPropertyDescriptors(definition)) as unknown as D &
    Call<In, A>;
  return op;
}

/** Infers the type of an operation's output. Errors name the operation and the position, type and nearest weight of each input. */
function inferType<In extends Inputs, A extends Attrs>(
  name: string,
  infer: (types: Same<In, TensorType>, attrs: A) => TensorType,
  inputs: readonly Value[],
  attrs: A,
): TensorType {
  try {
    return infer(inputs.map(({ type }) => type) as unknown as Same<In, TensorType>, attrs);
  } catch (cause) {
    const places = inputs.map((input, i) => `input ${i} ${describeValue(input)}`);
    const attributes = Object.keys(attrs).length === 0 ? "" : `, attributes ${JSON.stringify(attrs)}`;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Operation ${name} (${places.join("; ")}${attributes}): ${reason}`, { cause });
  }
}

/** Describes a value. A computed value includes its operation and nearest weight, which locate it in the model. */
function describeValue(value: Value): string {
  const { dtype, shape } = value.type;
  const type = `${dtype} [${shape.join(", ")}]`;
  if (value.kind === "input" || value.kind === "parameter") return `"${value.name}" ${type}`;
  if (value.kind === "constant") return `a constant ${type}`;
  const weight = findNearestWeight(value);
  return `${type} from ${value.op.name}${weight === undefined ? "" : ` after "${weight}"`}`;
}

/** Finds the nearest weight by a breadth-first search of limited depth. */
function findNearestWeight(value: Value): string | undefined {
  let layer: readonly Value[] = [value];
  for (let depth = 0; depth < 8 && layer.length > 0 && layer.length < 256; depth++) {
    const weight = layer.find(({ kind }) => kind === "parameter");
    if (weight?.kind === "parameter") return weight.name;
    layer = layer.flatMap((each) => (each.kind === "apply" ? each.inputs : []));
  }
  return undefined;
}

function isValue(candidate: unknown): candidate is Value {
  return typeof candidate === "object" && candidate !== null && "kind" in candidate && "type" in candidate;
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The shape that two operands broadcast to by NumPy's rules. Throws if they do not broadcast. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const x = a[axis - rank + a.length] ?? 1;
    const y = b[axis - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new Error(`Shapes [${a.join(", ")}] and [${b.join(", ")}] do not broadcast.`);
    return x === 1 ? y : x;
  });
}

export function input(name: string, shape: Shape, dtype: DType = "float32"): Value {
  return { kind: "input", name, type: { dtype, shape } };
}

/** A trainable input, such as a weight of a model. */
export function parameter(name: string, shape: Shape): Value {
  return { kind: "parameter", name, type: { dtype: "float32", shape } };
}

export function constant(data: ConstantData, shape: Shape): Value {
  if (data.length !== sizeOf(shape))
    throw new Error(`A constant of shape [${shape.join(", ")}] cannot hold ${data.length} values.`);
  const dtype = dtypeOf(data);
  return { kind: "constant", data, type: { dtype, shape } };
}

/** The dtype of an array. */
export function dtypeOf(data: ConstantData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Float64Array) return "float64";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  return data instanceof Int8Array ? "int8" : "bool";
}

export function scalar(number: number): Value {
  return constant(Float32Array.of(number), []);
}
