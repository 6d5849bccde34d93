/**
 * The part of the ONNX file format that Lathe writes, as protobuf messages (field numbers of onnx.proto, IR version 10).
 * protobufjs does the encoding.
 */
import protobuf from "protobufjs/light";

const { Field, Root, Type } = protobuf;

type FieldRule = "repeated" | "optional";
const defineMessage = (
  name: string,
  fields: Readonly<Record<string, readonly [id: number, type: string, rule?: FieldRule]>>,
) => {
  const type = new Type(name);
  for (const [field, [id, kind, rule = "optional"]] of Object.entries(fields))
    type.add(new Field(field, id, kind, rule));
  return type;
};

const root = new Root();
for (const type of [
  defineMessage("ModelProto", {
    irVersion: [1, "int64"],
    producerName: [2, "string"],
    producerVersion: [3, "string"],
    graph: [7, "GraphProto"],
    opsetImport: [8, "OperatorSetIdProto", "repeated"],
    functions: [25, "FunctionProto", "repeated"],
  }),
  defineMessage("FunctionProto", {
    name: [1, "string"],
    input: [4, "string", "repeated"],
    output: [5, "string", "repeated"],
    node: [7, "NodeProto", "repeated"],
    opsetImport: [9, "OperatorSetIdProto", "repeated"],
    domain: [10, "string"],
  }),
  defineMessage("OperatorSetIdProto", { domain: [1, "string"], version: [2, "int64"] }),
  defineMessage("GraphProto", {
    node: [1, "NodeProto", "repeated"],
    name: [2, "string"],
    initializer: [5, "TensorProto", "repeated"],
    input: [11, "ValueInfoProto", "repeated"],
    output: [12, "ValueInfoProto", "repeated"],
  }),
  defineMessage("NodeProto", {
    input: [1, "string", "repeated"],
    output: [2, "string", "repeated"],
    name: [3, "string"],
    opType: [4, "string"],
    attribute: [5, "AttributeProto", "repeated"],
    domain: [7, "string"],
  }),
  // `type` 1 float, 2 int, 3 string, 5 graph, 6 floats, 7 ints.
  defineMessage("AttributeProto", {
    name: [1, "string"],
    f: [2, "float"],
    i: [3, "int64"],
    s: [4, "bytes"],
    g: [6, "GraphProto"],
    floats: [7, "float", "repeated"],
    ints: [8, "int64", "repeated"],
    type: [20, "int32"],
  }),
  defineMessage("TensorProto", {
    dims: [1, "int64", "repeated"],
    dataType: [2, "int32"],
    name: [8, "string"],
    rawData: [9, "bytes"],
    externalData: [13, "StringStringEntryProto", "repeated"],
    // 1 if the bytes are in an external file.
    dataLocation: [14, "int32"],
  }),
  defineMessage("StringStringEntryProto", { key: [1, "string"], value: [2, "string"] }),
  defineMessage("ValueInfoProto", { name: [1, "string"], type: [2, "TypeProto"] }),
  defineMessage("TypeProto", { tensorType: [1, "TensorTypeProto"] }),
  defineMessage("TensorTypeProto", { elemType: [1, "int32"], shape: [2, "TensorShapeProto"] }),
  defineMessage("TensorShapeProto", { dim: [1, "DimensionProto", "repeated"] }),
  defineMessage("DimensionProto", { dimValue: [1, "int64"], dimParam: [2, "string"] }),
])
  root.add(type);
root.resolveAll();

export const modelProto = root.lookupType("ModelProto");

/** A NodeProto. */
export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  readonly domain?: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly attribute?: readonly object[];
}
