/** Runs a graph with random inputs on a device and compares it with the plain evaluation. */
import type { Tensor as OrtTensor } from "onnxruntime-node";
import { expect } from "vitest";
import type { Engine } from "../../src/backend/engine/engine";
import { loadRuntime } from "../../src/backend/engine/runtime";
import { evaluateGraph } from "../../src/backend/graph/evaluate";
import type { Graph } from "../../src/backend/graph/graph";
import type { ConstantData, DType } from "../../src/backend/graph/op";
import { computeRelativeError, type DrawnInput } from "./sampleValues";

export interface GraphCase {
  readonly title: string;
  readonly graph: Graph;
  readonly drawn: readonly DrawnInput[];
}

const arrays = {
  float32: Float32Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int32: Int32Array,
  bool: Uint8Array,
} as const;

export function dataOf({ value, numbers }: DrawnInput): ConstantData {
  return arrays[value.type.dtype as Exclude<DType, "float64" | "int64" | "int4">].from(numbers);
}

/** Each output of `got` is within `tolerance` of the plain evaluation, relative to its largest element. */
export function expectClose(
  { graph, drawn }: GraphCase,
  got: Readonly<Record<string, ConstantData>>,
  tolerance: number,
) {
  const feeds = Object.fromEntries(drawn.map(({ name, numbers }) => [name, numbers]));
  for (const [name, wanted] of Object.entries(evaluateGraph(graph, feeds)))
    expect(
      computeRelativeError(Float64Array.from(got[name] as ArrayLike<number>), wanted),
      name,
    ).toBeLessThan(tolerance);
}

export async function runOn(
  engine: Engine,
  { graph, drawn }: GraphCase,
): Promise<Record<string, ConstantData>> {
  await using program = await engine.compile(graph);
  const feeds = Object.fromEntries(
    drawn.map((each) => [each.name, engine.upload(each.value.type, dataOf(each))]),
  );
  const results = await program.run(Object.fromEntries(program.inputs.map((name) => [name, feeds[name]!])));
  const read = Object.entries(results).map(
    async ([name, tensor]) => [name, (await tensor.read()).slice()] as const,
  );
  return Object.fromEntries(await Promise.all(read));
}

/** Runs an encoded graph in a session of ONNX Runtime of its own, and compares it with the plain evaluation. */
export async function expectSession(each: GraphCase, bytes: Uint8Array): Promise<void> {
  const { InferenceSession, Tensor } = await loadRuntime();
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const feeds = each.drawn
    .filter(({ name }) => session.inputNames.includes(name))
    .map((drawn) => [drawn.name, new Tensor(drawn.value.type.dtype, dataOf(drawn), drawn.value.type.shape)]);
  const results = await session.run(Object.fromEntries(feeds) as Record<string, OrtTensor>);
  const got = Object.entries(results).map(([name, { data }]) => [name, data as ConstantData] as const);
  expectClose(each, Object.fromEntries(got), 1e-5);
  await session.release();
}
