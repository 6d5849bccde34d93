/** Writes a graph as an ONNX file: the form in which a runtime takes it. */
import { type Graph, inputsOf, topological } from "./graph";
import { recomputeGateName } from "./recompute";
import { modelProto } from "./onnxSchema";
import {
  type Attrs,
  type ConstantData,
  type DType,
  dtypeOf,
  type Emitter,
  onnxDtype,
  type TensorType,
  type Value,
} from "./op";

const opset = 20;
/** Codes of four bits, and scales of blocks of them, came with this one. */
const opsetOfCodes = 21;
const irVersion = 10;
const microsoft = "com.microsoft";
const microsoftOpset = 1;

export interface EncodeOptions {
  /** Only standard operators, for files that another runtime will read. */
  readonly portable?: boolean;
  /** With `portable`: also products with packed codes, which ONNX Runtime alone has. */
  readonly packed?: boolean;
  /**
   * Hides the sizes that a graph with recomputation reshapes to from the runtime's planner. ONNX Runtime keeps the memory
   * of a value that is no longer read for a later value of equal shape, however much later, and so holds what recomputation
   * was to free; of values whose shapes it learns while it runs, it frees the memory at once.
   */
  readonly freesAtOnce?: boolean;
  /** False for a device that would leave a product with a transpose inside to the processor; default true. */
  readonly fused?: boolean;
  /** Values to store in the file by the name of their input or parameter; what is not here is fed. */
  readonly weights?: ReadonlyMap<string, ConstantData>;
  /** False gives each constant an initializer of its own, so that the same graph of other sizes has the same ones. */
  readonly sharesConstants?: boolean;
}

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly domain?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
}

export interface Initializer {
  readonly name: string;
  readonly type: TensorType;
  readonly data: ConstantData;
}

/** A size of an input or output: a number, or the name of an axis that differs from run to run. */
export type Size = number | string;

export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Size[];
}

/** An ONNX model before it is bytes. */
export interface OnnxModel {
  readonly portable: boolean;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Where the bytes of an initializer are, if not in the model itself. */
export interface Place {
  readonly location: string;
  readonly offset: number;
}

/** The bytes of a ModelProto. */
export function encodeOnnx(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  return encodeModel(buildModel(graph, options));
}

/** Inputs keep their names; nodes are named by their number and operation, for error messages. */
export function buildModel(
  graph: Graph,
  {
    portable = false,
    packed = !portable,
    fused = true,
    freesAtOnce = false,
    weights,
    sharesConstants = true,
  }: EncodeOptions = {},
): OnnxModel {
  const nodes: (Omit<OnnxNode, "output"> & { output: string[] })[] = [];
  const initializers: Initializer[] = [];
  const constants = new Map<string, string>();
  const names = new Map<Value, string>();
  const inputs = inputsOf(graph);
  const taken = new Set([...inputs.map(({ name }) => name), ...Object.keys(graph.outputs)]);
  // The operation that computes an output writes it directly: a copy at the end would cost a pass over all state.
  const outputOf = new Map<Value, string>();
  for (const [output, value] of Object.entries(graph.outputs))
    if (value.kind === "apply" && !outputOf.has(value)) outputOf.set(value, output);
  const hides = freesAtOnce && inputs.some(({ name }) => name === recomputeGateName);
  const hidden = new Map<string, string>();
  let zero: string | undefined;
  let current = "";

  const fresh = (stem: string) => {
    let name = stem;
    for (let n = 2; taken.has(name); n++) name = `${stem}_${n}`;
    taken.add(name);
    return name;
  };
  const emit: Emitter = {
    portable,
    packed,
    fused: fused && !portable,
    node(onnx, feeds, attributes = {}, domain = "") {
      const name = fresh(`${current}/${onnx}`);
      nodes.push({
        name,
        opType: onnx,
        domain,
        input: feeds,
        output: [name],
        attribute: encodeAttributes(attributes),
      });
      return name;
    },
    constant(data, shape) {
      // Shapes and factors repeat all over a graph; one small initializer serves them all.
      const key = sharesConstants ? contentKey({ dtype: dtypeOf(data), shape }, data) : undefined;
      const known = key === undefined ? undefined : constants.get(key);
      if (known !== undefined) return known;
      const name = fresh("constant");
      initializers.push({ name, type: { dtype: dtypeOf(data), shape }, data });
      if (key !== undefined) constants.set(key, name);
      return name;
    },
    shape(sizes) {
      const known = emit.constant(BigInt64Array.from(sizes, BigInt), [sizes.length]);
      if (!hides || sizes.length === 0) return known;
      zero ??= emit.node("Cast", [emit.node("Not", [recomputeGateName])], { to: onnxDtype.int64 });
      const name = hidden.get(known) ?? emit.node("Add", [known, zero]);
      hidden.set(known, name);
      return name;
    },
  };

  topological(Object.values(graph.outputs)).forEach((value, number) => {
    if (value.kind === "constant") names.set(value, emit.constant(value.data, value.type.shape));
    else if (value.kind !== "apply") names.set(value, value.name);
    else {
      const { op, attrs, type } = value;
      current = `${number}.${op.name}`;
      const feeds = value.inputs.map((each) => names.get(each)!);
      const types = value.inputs.map((each) => each.type);
      const before = nodes.length;
      let name =
        typeof op.onnx === "string"
          ? emit.node(op.onnx, feeds, attrs)
          : op.onnx(emit, feeds, { attrs, types, type });
      const output = outputOf.get(value);
      const last = nodes.length > before ? nodes.at(-1) : undefined;
      if (output !== undefined && last?.output[0] === name) last.output[0] = name = output;
      names.set(value, name);
    }
  });
  for (const [output, value] of Object.entries(graph.outputs))
    if (names.get(value) !== output)
      nodes.push({
        name: `output ${output}`,
        opType: "Identity",
        input: [names.get(value)!],
        output: [output],
      });

  const stored = inputs.filter(({ name }) => weights?.has(name));
  for (const { name, type } of stored) initializers.push({ name, type, data: weights!.get(name)! });
  return {
    portable,
    nodes,
    initializers,
    inputs: inputs.filter((each) => !stored.includes(each)).map(({ name, type }) => ({ name, ...type })),
    outputs: Object.entries(graph.outputs).map(([name, { type }]) => ({ name, ...type })),
  };
}

/** Equal for constants of equal content; undefined for large ones, which are not compared. */
export function contentKey({ dtype, shape }: TensorType, data: ConstantData): string | undefined {
  if (data.byteLength > 64) return undefined;
  return `${dtype}[${shape.join(",")}]${bufferOf(data).toString("hex")}`;
}

/** The bytes of a ModelProto, those of the initializers where `placeOf` says. */
export function encodeModel(
  { portable, nodes, initializers, inputs, outputs }: OnnxModel,
  placeOf: (initializer: Initializer) => Place | undefined = () => undefined,
): Uint8Array {
  const version = nodes.some(({ opType }) => opType === "DequantizeLinear") ? opsetOfCodes : opset;
  const usesMicrosoft = !portable || nodes.some(({ domain }) => domain === microsoft);
  return modelProto
    .encode({
      irVersion,
      producerName: "lathe",
      opsetImport: [
        { domain: "", version },
        ...(usesMicrosoft ? [{ domain: microsoft, version: microsoftOpset }] : []),
      ],
      graph: {
        name: "lathe",
        node: nodes,
        initializer: initializers.map((each) => encodeTensor(each, placeOf(each))),
        input: inputs.map(encodePort),
        output: outputs.map(encodePort),
      },
    })
    .finish();
}

function encodeTensor({ name, type, data }: Initializer, place: Place | undefined): object {
  const tensor = { name, dims: type.shape, dataType: onnxDtype[type.dtype] };
  if (place === undefined) return { ...tensor, rawData: bufferOf(data) };
  const entries = { location: place.location, offset: place.offset, length: data.byteLength };
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value: String(value) }));
  return { ...tensor, externalData, dataLocation: 1 };
}

export function bufferOf({ buffer, byteOffset, byteLength }: ConstantData): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function encodePort({ name, dtype, shape }: Port): object {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: onnxDtype[dtype], shape: { dim } } } };
}

export function encodeAttributes(attributes: Attrs): object[] {
  return Object.entries(attributes).map(([name, attr]) => {
    if (typeof attr === "string") return { name, type: 3, s: Buffer.from(attr) };
    if (typeof attr === "boolean") return { name, type: 2, i: Number(attr) };
    if (typeof attr !== "number") return { name, type: 7, ints: attr };
    return floatAttributes.has(name) ? { name, type: 1, f: attr } : { name, type: 2, i: attr };
  });
}
// JavaScript has one number type, ONNX two; these attributes are floats even when their value is whole.
const floatAttributes = new Set(["alpha", "beta", "epsilon"]);
