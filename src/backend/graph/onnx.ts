/** Writes a graph as an ONNX file: the form in which a runtime takes it. */
import { type Graph, inputsOf, topological } from "./graph";
import { recomputeGateName } from "./recompute";
import { modelProto } from "./onnxSchema";
import {
  type Attrs,
  type ConstantData,
  dtypeOf,
  onnxDtype,
  type Emitter,
  type Shape,
  type TensorType,
  type Value,
} from "./op";

const opset = 20;
const irVersion = 10;
const microsoftOpset = 1;

export interface EncodeOptions {
  /** Only standard operators, for files that another runtime will read. */
  readonly portable?: boolean;
  /**
   * Hides the sizes that a graph with recomputation reshapes to from the runtime's planner. ONNX Runtime keeps the memory
   * of a value that is no longer read for a later value of equal shape, however much later, and so holds what recomputation
   * was to free; of values whose shapes it learns while it runs, it frees the memory at once.
   */
  readonly freesAtOnce?: boolean;
  /** False for a device that would leave a product with a transpose inside to the processor; default true. */
  readonly fused?: boolean;
  /** Values to store in the file by parameter name, for an exported model; otherwise parameters are inputs. */
  readonly weights?: ReadonlyMap<string, Float32Array>;
}

/** The bytes of a ModelProto. Inputs keep their names; nodes are named by their number and operation, for error messages. */
export function encodeOnnx(
  graph: Graph,
  { portable = false, fused = true, freesAtOnce = false, weights }: EncodeOptions = {},
): Uint8Array {
  const nodes: { output: string[]; [field: string]: unknown }[] = [];
  const initializers: object[] = [];
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
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      // Shapes and factors repeat all over a graph; one small initializer serves them all.
      const key =
        bytes.length <= 64 ? `${dtypeOf(data)}[${shape.join(",")}]${bytes.toString("hex")}` : undefined;
      const known = key === undefined ? undefined : constants.get(key);
      if (known !== undefined) return known;
      const name = fresh("constant");
      initializers.push(encodeTensor(name, data, shape));
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

  const stored = inputs.filter(({ kind, name }) => kind === "parameter" && weights?.has(name));
  for (const { name, type } of stored) initializers.push(encodeTensor(name, weights!.get(name)!, type.shape));
  const fed = inputs.filter((each) => !stored.includes(each));
  return modelProto
    .encode({
      irVersion,
      producerName: "lathe",
      opsetImport: [
        { domain: "", version: opset },
        ...(portable ? [] : [{ domain: "com.microsoft", version: microsoftOpset }]),
      ],
      graph: {
        name: "lathe",
        node: nodes,
        initializer: initializers,
        input: fed.map(({ name, type }) => encodeValueInfo(name, type)),
        output: Object.entries(graph.outputs).map(([name, { type }]) => encodeValueInfo(name, type)),
      },
    })
    .finish();
}

function encodeAttributes(attributes: Attrs): object[] {
  return Object.entries(attributes).map(([name, attr]) => {
    if (typeof attr === "string") return { name, type: 3, s: Buffer.from(attr) };
    if (typeof attr === "boolean") return { name, type: 2, i: Number(attr) };
    if (typeof attr !== "number") return { name, type: 7, ints: attr };
    return floatAttributes.has(name) ? { name, type: 1, f: attr } : { name, type: 2, i: attr };
  });
}
// JavaScript has one number type, ONNX two; these attributes are floats even when their value is whole.
const floatAttributes = new Set(["alpha", "beta", "epsilon"]);

function encodeTensor(name: string, data: ConstantData, shape: Shape): object {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dims: shape, dataType: onnxDtype[dtypeOf(data)], rawData };
}

function encodeValueInfo(name: string, { dtype, shape }: TensorType): object {
  const dim = shape.map((dimValue) => ({ dimValue }));
  return { name, type: { tensorType: { elemType: onnxDtype[dtype], shape: { dim } } } };
}
