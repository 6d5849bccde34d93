/**
 * A graph as `lathe_torch` reads it: plain data and the memory of its constants. Values are numbered: inputs, then
 * constants, then nodes in the order in which they run.
 */
import { computeContentKey, type Graph, listInputs, sortTopologically } from "../../graph/graph";
import { asBuffer } from "../../graph/onnx";
import type { Attrs, ConstantData, TensorType, Value } from "../../graph/op";

export interface EncodedGraph {
  readonly inputs: readonly (TensorType & { readonly name: string })[];
  readonly constants: readonly TensorType[];
  readonly nodes: readonly EncodedNode[];
  /** The number of each output's value. */
  readonly outputs: readonly number[];
  readonly outputNames: readonly string[];
}

export interface EncodedNode extends TensorType {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly attrs: Attrs;
}

/** Encodes a graph; `buffers` holds the memory of each constant. */
export function encodeGraph(graph: Graph): { readonly graph: EncodedGraph; readonly buffers: Buffer[] } {
  const order = sortTopologically(Object.values(graph.outputs));
  const inputs = listInputs(graph);
  const constants: { readonly type: TensorType; readonly data: ConstantData }[] = [];
  const constantOf = new Map<Value, number>();
  const numberByKey = new Map<string, number>();
  for (const value of order) {
    if (value.kind !== "constant") continue;
    const key = computeContentKey(value.type, value.data);
    const known = key === undefined ? undefined : numberByKey.get(key);
    const number = known ?? constants.push({ type: value.type, data: value.data }) - 1;
    if (key !== undefined) numberByKey.set(key, number);
    constantOf.set(value, inputs.length + number);
  }
  const numberOf = new Map<Value, number>(constantOf);
  inputs.forEach((value, i) => numberOf.set(value, i));
  const nodes: EncodedNode[] = [];
  for (const value of order) {
    if (value.kind !== "apply") continue;
    const { op, attrs, type } = value;
    const first = inputs.length + constants.length;
    const node = { op: op.name, inputs: value.inputs.map((each) => numberOf.get(each)!), attrs, ...type };
    numberOf.set(value, first + nodes.push(node) - 1);
  }
  return {
    graph: {
      inputs: inputs.map(({ name, type }) => ({ name, ...type })),
      constants: constants.map(({ type }) => type),
      nodes,
      outputs: Object.values(graph.outputs).map((value) => numberOf.get(value)!),
      outputNames: Object.keys(graph.outputs),
    },
    buffers: constants.map(({ data }) => asBuffer(data)),
  };
}
