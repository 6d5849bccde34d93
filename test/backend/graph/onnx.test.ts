import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { iota } from "../../../src/backend/graph/functions";
import type { Graph } from "../../../src/backend/graph/graph";
import { encodeOnnx, type EncodeOptions } from "../../../src/backend/graph/onnx";
import { modelProto } from "../../../src/backend/graph/onnxSchema";
import { input, parameter, scalar, type Value } from "../../../src/backend/graph/op";
import { add, mul } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { reshape } from "../../../src/backend/graph/ops/movement";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { catalogOps, getSamples } from "../../support/catalogOps";
import { applyOp, drawInputs } from "../../support/sampleValues";
import { tinyNames, createTinyTrainStep } from "../../support/tinyModels";

interface Decoded {
  readonly opsetImport: readonly { domain?: string; version: number }[];
  readonly graph: {
    readonly node: readonly {
      name: string;
      opType: string;
      domain?: string;
      input: string[];
      output: string[];
    }[];
    readonly initializer: readonly { name: string; dims?: number[]; dataType: number; rawData: string }[];
    readonly input: readonly { name: string }[];
    readonly output: readonly { name: string }[];
  };
}

function decode(graph: Graph, options: EncodeOptions = {}): Decoded {
  const message = modelProto.decode(encodeOnnx(graph, options));
  return modelProto.toObject(message, { longs: Number, bytes: String, arrays: true }) as Decoded;
}

/** Operators that only ONNX Runtime has, although it registers them in the standard domain. */
const foreign = new Set(["SimplifiedLayerNormalization"]);

function nonStandard(graph: Graph): string[] {
  const { graph: decoded, opsetImport } = decode(graph, { portable: true });
  expect(opsetImport.map(({ domain = "" }) => domain)).toEqual([""]);
  return decoded.node
    .filter(({ opType, domain = "" }) => domain !== "" || foreign.has(opType))
    .map(({ opType }) => opType);
}

describe("encodeOnnx", () => {
  it.each(tinyNames)("writes the training step of %s to the same bytes each time it is built", (name) => {
    const first = encodeOnnx(createTinyTrainStep(name));
    expect(Buffer.compare(first, encodeOnnx(createTinyTrainStep(name)))).toBe(0);
  });

  it("names inputs and outputs like the graph, and lists each node after its inputs", () => {
    const { graph } = decode({ outputs: { y: matmul(input("x", [2, 3]), parameter("w", [3, 4])) } });
    expect(graph.input.map(({ name }) => name)).toEqual(["x", "w"]);
    expect(graph.output.map(({ name }) => name)).toEqual(["y"]);
    const known = new Set(["x", "w", ...graph.initializer.map(({ name }) => name)]);
    for (const node of graph.node) {
      for (const each of node.input) expect(known).toContain(each);
      for (const each of node.output) known.add(each);
    }
    expect(known).toContain("y");
  });

  it("keeps every name unique, even if an input has the name of a node", () => {
    const clash = input("0.mul/Mul", [2]);
    const { graph } = decode({ outputs: { constant: mul(clash, scalar(2)), y: mul(clash, clash) } });
    const names = [...graph.input.map(({ name }) => name), ...graph.initializer.map(({ name }) => name)];
    const made = [...names, ...graph.node.flatMap(({ output }) => output)];
    expect(new Set(made).size).toBe(made.length);
  });

  it("stores equal small constants once, wherever they are created, and unequal ones separately", () => {
    const x = input("x", [4]);
    const shifted = add(add(mul(x, scalar(0.5)), scalar(0.5)), scalar(-0.5));
    const rows = reshape(shifted, { shape: [2, 2] });
    const { graph } = decode({ outputs: { y: rows, z: reshape(x, { shape: [2, 2] }) } });
    expect(graph.initializer).toHaveLength(3); // 0.5, -0.5 and the shape
  });

  it("distinguishes constants of equal bytes but different types or shapes", () => {
    const zero = add(input("x", []), scalar(0));
    const integer = add(input("i", [1], "int32"), iota(1));
    const { graph } = decode({ outputs: { zero, integer } });
    expect(graph.initializer.map(({ dataType }) => dataType)).toEqual([1, 6]);
  });

  it("stores the weights that are passed, and makes the others inputs", () => {
    const graph = { outputs: { y: mul(parameter("stored", [2]), parameter("fed", [2])) } };
    const decoded = decode(graph, { weights: new Map([["stored", Float32Array.of(1, 2)]]) }).graph;
    expect(decoded.input.map(({ name }) => name)).toEqual(["fed"]);
    const stored = decoded.initializer.find(({ name }) => name === "stored")!;
    expect(stored.rawData).toBe(Buffer.from(Float32Array.of(1, 2).buffer).toString("base64"));
  });
});

describe("a portable file", () => {
  it.each(catalogOps)("has only standard operators for $name and its gradient", (op) => {
    for (const sample of getSamples(op)) {
      const inputs = drawInputs(sample, 1).map(({ value }) => value);
      const y = applyOp(op, inputs, sample.attrs);
      const outputs: Record<string, Value> = { y };
      if (typeof op.gradient !== "string" && y.type.dtype === "float32") {
        const loss = sum(y, { axes: y.type.shape.map((_, axis) => axis), keepDims: false });
        const wrt = inputs.filter(({ kind }) => kind === "parameter");
        gradients(loss, wrt).forEach((gradient, i) => (outputs[`gradient ${i}`] = gradient));
      }
      expect(nonStandard({ outputs })).toEqual([]);
    }
  });

  it.each(tinyNames)("has only standard operators for the training step of %s", (name) => {
    expect(nonStandard(createTinyTrainStep(name))).toEqual([]);
  });
});
