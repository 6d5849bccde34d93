/** Runs a graph in plain TypeScript and double precision. A slow reference implementation for tests. */
import { expandComposites } from "./expand";
import { type Graph, sortTopologically } from "./graph";
import { type AnyPrimitive, type PlainTensor, sizeOf, type Value } from "./op";

export type PlainFeeds = Readonly<Record<string, ArrayLike<number>>>;

/** Computes each output of the graph, in row-major order. Composites run their bodies. */
export function evaluateGraph(calls: Graph, feeds: PlainFeeds): Record<string, Float64Array> {
  const graph = expandComposites(calls);
  const results = new Map<Value, PlainTensor>();
  for (const value of sortTopologically(Object.values(graph.outputs)))
    results.set(value, { type: value.type, data: compute(value) });
  return Object.fromEntries(
    Object.entries(graph.outputs).map(([name, value]) => [name, results.get(value)!.data]),
  );

  function compute(value: Value): Float64Array {
    if (value.kind === "constant") return Float64Array.from(value.data as ArrayLike<number | bigint>, Number);
    if (value.kind === "apply") {
      const inputs = value.inputs.map((each) => results.get(each)!);
      return (value.op as AnyPrimitive).evaluate(inputs, value.attrs, value.type);
    }
    const numbers = feeds[value.name];
    if (numbers?.length !== sizeOf(value.type.shape))
      throw new Error(
        `${value.name} needs ${sizeOf(value.type.shape)} numbers, but got ${numbers?.length ?? "none"}.`,
      );
    return Float64Array.from(numbers);
  }
}
