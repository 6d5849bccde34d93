/**
 * Values and operations of a computation graph. A value is a node, its identity is object identity, its shape is static.
 * Everything that one operation is stands in one definition: type rule, gradient, plain evaluation, ONNX form.
 */

/** Types of elements. */
/** `int4` is only stored, two numbers a byte, the first in the lower half. */
export type DType = "float32" | "int64" | "int32" | "int8" | "int4" | "uint8" | "bool";

/** TensorProto.DataType numbers of the ONNX format. */
export const onnxDtype: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  int4: 22,
};
export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Attributes of an operation: plain data, so that a graph can be listed, compared and encoded. */
export type Attrs = Readonly<Record<string, number | string | boolean | readonly number[]>>;
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- an operation without attributes takes none
export type NoAttrs = {};

export type ConstantData = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

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

/** The same tuple length with other elements: one type, gradient or flag per input. */
export type Same<In extends readonly Value[], T> = { readonly [K in keyof In]: T };

/** Receives dL/d(output) and returns dL/d(input) for each input; null where nothing flows. Broadcasting is undone by the caller. */
export type Gradient<In extends readonly Value[], A extends Attrs> = (call: {
  readonly inputs: In;
  readonly output: Value;
  readonly grad: Value;
  readonly attrs: A;
  /** False where nobody asks for that input's gradient, so that it need not be built. */
  readonly needs: Same<In, boolean>;
}) => Same<In, Value | null>;

/** A dense tensor of the plain evaluator: row-major numbers in double precision whatever the dtype. */
export interface PlainTensor {
  readonly type: TensorType;
  readonly data: Float64Array;
}

/** What the contract test feeds an operation: shapes (and dtypes), the range of the values, attributes. */
export interface Sample<A> {
  readonly inputs: readonly (
    Shape | { readonly dtype: DType; readonly shape: Shape; readonly range?: readonly [number, number] }
  )[];
  /** Values are drawn uniformly from this range, default [-1, 1]. */
  readonly range?: readonly [number, number];
  readonly attrs: A;
}

/** Writes ONNX nodes; each call returns the name of its output. */
export interface Emitter {
  node(onnx: string, inputs: readonly string[], attributes?: Attrs, domain?: string): string;
  constant(data: ConstantData, shape: Shape): string;
  /** int64 sizes that a node is to reshape or expand to. */
  shape(sizes: Shape): string;
  /** True where only standard operators may be used, because another runtime will read the file. */
  readonly portable: boolean;
  /** True where products with packed codes may be used, which ONNX Runtime alone has. */
  readonly packed: boolean;
  /** True where the runtime has products with a transpose and a factor inside. */
  readonly fused: boolean;
}

export interface OpDefinition<In extends readonly Value[], A extends Attrs> {
  /** Name in listings, equal to the name it is exported under. */
  readonly name: string;
  /** The ONNX operator whose inputs and attributes are the operation's own, or a function that writes the nodes. */
  readonly onnx:
    | string
    | ((
        emit: Emitter,
        inputs: readonly string[],
        call: { attrs: A; types: Same<In, TensorType>; type: TensorType },
      ) => string);
  infer(types: Same<In, TensorType>, attrs: A): TensorType;
  /** "zero": flat everywhere. "stop": being asked for it is a bug. */
  readonly gradient: Gradient<In, A> | "zero" | "stop";
  /** The operation in plain TypeScript and double precision, for tests; `type` is the inferred output type. */
  evaluate(inputs: Same<In, PlainTensor>, attrs: A, type: TensorType): Float64Array;
  readonly samples: readonly Sample<A>[];
}

// An operation's inputs and attributes are checked where it is applied; the graph itself keeps it erased.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AnyOp = OpDefinition<any, any>;

/** An operation is called with its inputs, then its attributes where it has any. */
export type Op<In extends readonly Value[], A extends Attrs = NoAttrs> = OpDefinition<In, A> &
  (keyof A extends never ? (...inputs: In) => Value : (...call: [...In, A]) => Value);

export function defineOp<In extends readonly Value[], A extends Attrs = NoAttrs>(
  definition: OpDefinition<In, A>,
): Op<In, A> {
  const apply = (...call: readonly unknown[]): Value => {
    const last = call.at(-1);
    const hasAttrs = last !== undefined && !isValue(last);
    const inputs = (hasAttrs ? call.slice(0, -1) : call) as unknown as In;
    const attrs = (hasAttrs ? last : {}) as A;
    return { kind: "apply", op, inputs, attrs, type: inferType(definition, inputs, attrs) };
  };
  // A function's own `name` is read-only to assignment, hence defineProperties.
  const op = Object.defineProperties(apply, Object.getOwnPropertyDescriptors(definition)) as unknown as Op<
    In,
    A
  >;
  return op;
}

/** The type of an operation's output; an error names the operation, and each input with its place, type and weight. */
function inferType<In extends readonly Value[], A extends Attrs>(
  op: OpDefinition<In, A>,
  inputs: In,
  attrs: A,
): TensorType {
  try {
    return op.infer(inputs.map(({ type }) => type) as unknown as Same<In, TensorType>, attrs);
  } catch (cause) {
    const places = inputs.map((input, i) => `input ${i} ${describeValue(input)}`);
    const given = Object.keys(attrs).length === 0 ? "" : `, attributes ${JSON.stringify(attrs)}`;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Operation ${op.name} (${places.join("; ")}${given}): ${reason}`, { cause });
  }
}

/** Of a computed value also the operation and the nearest weight that it comes from, which says where in the model it is. */
function describeValue(value: Value): string {
  const { dtype, shape } = value.type;
  const type = `${dtype} [${shape.join(", ")}]`;
  if (value.kind === "input" || value.kind === "parameter") return `"${value.name}" ${type}`;
  if (value.kind === "constant") return `a constant ${type}`;
  const weight = nearestWeight(value);
  return `${type} from ${value.op.name}${weight === undefined ? "" : ` after "${weight}"`}`;
}

/** Breadth first, and not far: what is near says most. */
function nearestWeight(value: Value): string | undefined {
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

/** The shape that two operands broadcast to, after NumPy's rule; throws with both shapes where they do not fit. */
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

/** An input that is trained: the weights of a model, so that gradients are asked for it. */
export function parameter(name: string, shape: Shape): Value {
  return { kind: "parameter", name, type: { dtype: "float32", shape } };
}

export function constant(data: ConstantData, shape: Shape): Value {
  if (data.length !== sizeOf(shape))
    throw new Error(`A constant of shape [${shape.join(", ")}] cannot hold ${data.length} values.`);
  const dtype = dtypeOf(data);
  return { kind: "constant", data, type: { dtype, shape } };
}

/** The dtype that an array of this kind holds. */
export function dtypeOf(data: ConstantData): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof BigInt64Array) return "int64";
  if (data instanceof Int32Array) return "int32";
  return data instanceof Int8Array ? "int8" : "bool";
}

export function scalar(number: number): Value {
  return constant(Float32Array.of(number), []);
}
