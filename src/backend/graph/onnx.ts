/** Encodes a graph as an ONNX model. */
import { findBlockSize, getBlockBody } from "./blocks";
import { bodyOf, type CompositeCall, findSelection, isCall } from "./composite";
import { expandComposites } from "./expand";
import { computeContentKey, type Graph, listInputs, sortTopologically } from "./graph";
import { findUsedParts, functionDomain, FunctionTable, type OnnxFunction } from "./onnxFunctions";
import { recomputeGateName } from "./recompute";
import { modelProto, type OnnxNode } from "./onnxSchema";
import {
  type AnyPrimitive,
  type Apply,
  type Attrs,
  type ConstantData,
  type DType,
  dtypeOf,
  type Emitter,
  onnxDtype,
  sizeOf,
  type TensorType,
  type Value,
} from "./op";

const opset = 20;
/** The first opset with 4-bit codes and blockwise scales. */
const opsetOfCodes = 21;
const irVersion = 10;
const microsoft = "com.microsoft";
const microsoftOpset = 1;

export interface EncodeOptions {
  /** Use only standard operators, for files that other runtimes read. */
  readonly portable?: boolean;
  /** With `portable`: also use products with packed codes, which only ONNX Runtime supports. */
  readonly packed?: boolean;
  /**
   * Hides the sizes that a graph with recomputation reshapes to from the runtime's memory planner. ONNX Runtime reserves
   * the memory of a dead value for any later value of the same shape, which defeats recomputation; it frees memory at
   * once for values whose shapes are known only at run time.
   */
  readonly freesAtOnce?: boolean;
  /** False for a device that falls back to the CPU for a product with a fused transpose. Default: true. */
  readonly fused?: boolean;
  /** Values to store in the file, by name of their input or parameter; all others are fed at run time. */
  readonly weights?: ReadonlyMap<string, ConstantData>;
  /** Computes elementwise composites in blocks of at most this many elements (see `blocks.ts`). Default: whole. */
  readonly blockSize?: number | undefined;
  /** False creates one initializer per constant, so that the same graph at other sizes has the same initializers. */
  readonly sharesConstants?: boolean;
  /**
   * Writes each composite as a local function of the domain `lathe` instead of its nodes. ONNX Runtime inlines functions
   * before it optimizes, but its form of the nodes then depends on its version. Default: false.
   */
  readonly functions?: boolean;
}

type MutableNode = Omit<OnnxNode, "output" | "attribute"> & { output: string[]; attribute?: object[] };

export interface Initializer {
  readonly name: string;
  readonly type: TensorType;
  readonly data: ConstantData;
}

/** A size of an input or output: a number, or the name of a dynamic axis. */
export type Size = number | string;

export interface Port {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Size[];
}

/** An ONNX model before encoding. */
export interface OnnxModel {
  readonly portable: boolean;
  readonly nodes: readonly OnnxNode[];
  readonly functions: readonly OnnxFunction[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Location of an initializer's bytes outside the model file. */
export interface Place {
  readonly location: string;
  readonly offset: number;
}

/** Encodes a graph as a ModelProto. */
export function encodeOnnx(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  return encodeModel(buildModel(graph, options));
}

type Constant = Extract<Value, { kind: "constant" }>;

/** Inputs keep their names; nodes are named after their number and operation, for error messages. */
export function buildModel(
  calls: Graph,
  {
    portable = false,
    packed = !portable,
    fused = true,
    freesAtOnce = false,
    weights,
    sharesConstants = true,
    functions = false,
    blockSize,
  }: EncodeOptions = {},
): OnnxModel {
  const findBlock = (call: CompositeCall) =>
    blockSize === undefined ? undefined : findBlockSize(call, blockSize);
  // Nested calls are expanded within the body that contains them.
  const graph = functions
    ? calls
    : expandComposites(calls, {
        merges: sharesConstants,
        keeps: (call) => findBlock(call) !== undefined,
      });
  const { order, parts } = findUsedParts(graph);
  const table = new FunctionTable();
  const graphNodes: MutableNode[] = [];
  let nodes = graphNodes;
  /** Writes nodes to another list. */
  const within = <T>(list: MutableNode[], write: () => T): T => {
    const before = nodes;
    nodes = list;
    const result = write();
    nodes = before;
    return result;
  };
  const initializers: Initializer[] = [];
  const constants = new Map<string, string>();
  const names = new Map<Value, string>();
  const inputs = listInputs(graph);
  const inputNames = new Set([...inputs.map(({ name }) => name), ...Object.keys(graph.outputs)]);
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
    for (let n = 2; inputNames.has(name); n++) name = `${stem}_${n}`;
    inputNames.add(name);
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
      // Shapes and factors repeat throughout a graph and share one small initializer.
      const key = sharesConstants ? computeContentKey({ dtype: dtypeOf(data), shape }, data) : undefined;
      const cached = key === undefined ? undefined : constants.get(key);
      if (cached !== undefined) return cached;
      const name = fresh("constant");
      initializers.push({ name, type: { dtype: dtypeOf(data), shape }, data });
      if (key !== undefined) constants.set(key, name);
      return name;
    },
    shape(sizes) {
      const cached = emit.constant(BigInt64Array.from(sizes, BigInt), [sizes.length]);
      if (!hides || sizes.length === 0) return cached;
      const known = hidden.get(cached);
      if (known !== undefined) return known;
      // Outside the body that is being written, because others read it too.
      return within(graphNodes, () => {
        zero ??= emit.node("Cast", [emit.node("Not", [recomputeGateName])], { to: onnxDtype.int64 });
        const name = emit.node("Add", [cached, zero]);
        hidden.set(cached, name);
        return name;
      });
    },
  };

  const writeValue = (value: Apply, known: Map<Value, string>, output?: string): void => {
    const { attrs, type } = value;
    const op = value.op as AnyPrimitive;
    const feeds = value.inputs.map((each) => known.get(each)!);
    const types = value.inputs.map((each) => each.type);
    const before = nodes.length;
    let name =
      typeof op.onnx === "string"
        ? emit.node(op.onnx, feeds, attrs)
        : op.onnx(emit, feeds, { attrs, types, type });
    const last = nodes.length > before ? nodes.at(-1) : undefined;
    if (output !== undefined && last?.output[0] === name) last.output[0] = name = output;
    known.set(value, name);
  };
  const writeConstant = ({ data, type }: Constant) => emit.constant(data, type.shape);
  /** Writes the primitives that compute `values` from the inputs in `known`, and returns their nodes and the names of the values. */
  const writeBody = (values: readonly Value[], known: Map<Value, string>) => {
    const outputs = Object.fromEntries(values.map((value, i) => [i, value]));
    const body = Object.values(expandComposites({ outputs }, { merges: sharesConstants }).outputs);
    const inner: MutableNode[] = [];
    within(inner, () => {
      for (const value of sortTopologically(body))
        if (value.kind === "constant") known.set(value, writeConstant(value));
        else if (value.kind === "apply") writeValue(value, known);
    });
    return { inner, results: body.map((each) => known.get(each)!) };
  };
  /** Writes an elementwise call as a Scan over blocks of its inputs, and returns the name of its output. */
  const writeBlocks = (call: CompositeCall, size: number): string => {
    const body = getBlockBody(call, size);
    const known = new Map(body.inputs.map((each, i) => [each, fresh(`${current}/x${i}`)]));
    const ports = body.inputs.map((each) => encodePort({ ...each.type, name: known.get(each)! }));
    const { inner, results } = writeBody(body.outputs, known);
    const output = results.map((name) => encodePort({ ...body.outputs[0]!.type, name }));
    const blocks = emit.shape([sizeOf(call.type.shape) / size, size]);
    const input = call.inputs.map((each) => emit.node("Reshape", [names.get(each)!, blocks]));
    const scan = emit.node("Scan", input, { num_scan_inputs: ports.length });
    const g = { name: current, node: inner, input: ports, output };
    nodes.at(-1)!.attribute!.push({ name: "body", type: graphAttribute, g });
    const whole = emit.node("Reshape", [scan, emit.shape(call.type.shape)]);
    const name = outputOf.get(call);
    return name === undefined ? whole : (nodes.at(-1)!.output[0] = name);
  };
  /** Writes a call of a function; the names of its outputs are by number. */
  const writeCall = (call: CompositeCall): ReadonlyMap<number, string> => {
    const { inputs: read, outputs } = parts.get(call)!;
    const body = bodyOf(call);
    const feeds = read.map((index) => names.get(call.inputs[index]!)!);
    const known = new Map(read.map((index, i) => [body.inputs[index]!, feeds[i]!]));
    const { inner, results } = writeBody(
      outputs.map((index) => body.outputs[index]!),
      known,
    );
    const made = table.add(call.op.name, inner, feeds, results);
    const output = outputs.map((index) => findOutputName(call, index) ?? fresh(`${current}/${index}`));
    graphNodes.push({
      name: fresh(current),
      opType: made.name,
      domain: functionDomain,
      input: made.input,
      output,
    });
    return new Map(outputs.map((index, i) => [index, output[i]!]));
  };
  const findOutputName = (call: CompositeCall, index: number): string | undefined =>
    [...outputOf].find(([value]) => {
      const selection = findSelection(value);
      return index === 0 ? value === call : selection?.call === call && selection.index === index;
    })?.[1];

  const callOutputs = new Map<Value, ReadonlyMap<number, string>>();
  order.forEach((value, number) => {
    const selection = findSelection(value);
    if (value.kind === "constant") names.set(value, writeConstant(value));
    else if (value.kind !== "apply") names.set(value, value.name);
    else if (selection !== undefined)
      names.set(value, callOutputs.get(selection.call)!.get(selection.index)!);
    else {
      current = `${number}.${value.op.name}`;
      if (isCall(value)) {
        const block = findBlock(value);
        const made = block === undefined ? writeCall(value) : new Map([[0, writeBlocks(value, block)]]);
        callOutputs.set(value, made);
        const first = made.get(0);
        if (first !== undefined) names.set(value, first);
      } else writeValue(value, names, outputOf.get(value));
    }
  });
  for (const [output, value] of Object.entries(graph.outputs))
    if (names.get(value) !== output)
      graphNodes.push({
        name: `output ${output}`,
        opType: "Identity",
        input: [names.get(value)!],
        output: [output],
      });

  const stored = inputs.filter(({ name }) => weights?.has(name));
  for (const { name, type } of stored) initializers.push({ name, type, data: weights!.get(name)! });
  return {
    portable,
    nodes: graphNodes,
    functions: table.functions,
    initializers,
    inputs: inputs.filter((each) => !stored.includes(each)).map(({ name, type }) => ({ name, ...type })),
    outputs: Object.entries(graph.outputs).map(([name, { type }]) => ({ name, ...type })),
  };
}

/** Encodes a ModelProto. `placeOf` returns the location of an initializer that is stored outside the model. */
export function encodeModel(
  { portable, nodes, functions, initializers, inputs, outputs }: OnnxModel,
  placeOf: (initializer: Initializer) => Place | undefined = () => undefined,
): Uint8Array {
  const all = [...nodes, ...functions.flatMap((each) => each.nodes)];
  const version = all.some(({ opType }) => opType === "DequantizeLinear") ? opsetOfCodes : opset;
  const usesMicrosoft = !portable || all.some(({ domain }) => domain === microsoft);
  const opsetImport = [
    { domain: "", version },
    ...(usesMicrosoft ? [{ domain: microsoft, version: microsoftOpset }] : []),
  ];
  const usesFunctions = functions.length > 0;
  return modelProto
    .encode({
      irVersion,
      producerName: "lathe",
      opsetImport: usesFunctions ? [...opsetImport, { domain: functionDomain, version: 1 }] : opsetImport,
      functions: functions.map(({ name, input, output, nodes: node }) => ({
        name,
        domain: functionDomain,
        input,
        output,
        node,
        opsetImport,
      })),
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
  if (place === undefined) return { ...tensor, rawData: asBuffer(data) };
  const entries = { location: place.location, offset: place.offset, length: data.byteLength };
  const externalData = Object.entries(entries).map(([key, value]) => ({ key, value: String(value) }));
  return { ...tensor, externalData, dataLocation: 1 };
}

export function asBuffer({ buffer, byteOffset, byteLength }: ConstantData): Buffer {
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
// JavaScript has one number type and ONNX two; these attributes are floats even if their value is an integer.
const floatAttributes = new Set(["alpha", "beta", "epsilon"]);
/** The type of an attribute that is a graph. */
const graphAttribute = 5;
