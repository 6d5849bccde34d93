/** Calls of composites as local functions of an ONNX model, which readers may inline or replace by a kernel. */
import { bodyOf, type CompositeCall, findSelection, isCall } from "./composite";
import { type Graph, sortTopologically } from "./graph";
import type { Value } from "./op";
import type { OnnxNode } from "./onnxSchema";

/** The domain of Lathe's functions. */
export const functionDomain = "lathe";

/**
 * A function. Constants of its body, such as sizes, are inputs after those of the composite, so that calls of different
 * sizes share a function and a graph with dynamic sizes can compute them.
 */
export interface OnnxFunction {
  readonly name: string;
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly nodes: readonly OnnxNode[];
}

/** What a graph reads of a call. */
export interface UsedParts {
  /** Numbers of its outputs, in order. */
  readonly outputs: readonly number[];
  /** Numbers of the inputs that these outputs depend on, in order. */
  readonly inputs: readonly number[];
}

/** The values of a graph in order, without those that only unused parts of calls depend on, and the used parts of each call. */
export function findUsedParts(graph: Graph): {
  readonly order: readonly Value[];
  readonly parts: ReadonlyMap<Value, UsedParts>;
} {
  const order = sortTopologically(Object.values(graph.outputs));
  const read = new Map<Value, Set<number>>();
  const live = new Set<Value>();
  const parts = new Map<Value, UsedParts>();
  const use = (value: Value, index = 0) => {
    live.add(value);
    if (isCall(value)) read.set(value, (read.get(value) ?? new Set()).add(index));
  };
  Object.values(graph.outputs).forEach((output) => use(output));
  for (const value of order.toReversed()) {
    if (!live.has(value) || value.kind !== "apply") continue;
    const selection = findSelection(value);
    if (selection !== undefined) use(selection.call, selection.index);
    else if (isCall(value)) {
      const used = findUsedInputs(
        value,
        [...read.get(value)!].sort((a, b) => a - b),
      );
      parts.set(value, used);
      for (const index of used.inputs) use(value.inputs[index]!);
    } else for (const each of value.inputs) use(each);
  }
  return { order: order.filter((value) => live.has(value)), parts };
}

function findUsedInputs(call: CompositeCall, outputs: readonly number[]): UsedParts {
  const body = bodyOf(call);
  const values = new Set(sortTopologically(outputs.map((index) => body.outputs[index]!)));
  return { outputs, inputs: body.inputs.flatMap((each, i) => (values.has(each) ? [i] : [])) };
}

/** The functions of a model. Bodies with the same nodes are one function. */
export class FunctionTable {
  readonly functions: OnnxFunction[] = [];
  readonly #known = new Map<string, OnnxFunction>();
  readonly #counts = new Map<string, number>();

  /**
   * Adds the function that a call's nodes make up. `feeds` are the names of the composite's inputs, `results` those of its
   * outputs within `nodes`. Returns the function and all inputs of the call.
   */
  add(
    name: string,
    nodes: readonly OnnxNode[],
    feeds: readonly string[],
    results: readonly string[],
  ): { readonly name: string; readonly input: readonly string[] } {
    const local = new Map<string, string>();
    const input = [...new Set(feeds)];
    input.forEach((feed, i) => local.set(feed, `x${i}`));
    const inner = new Set(nodes.flatMap(({ output }) => output));
    for (const outer of nodes.flatMap((node) => node.input))
      if (!inner.has(outer) && !local.has(outer)) local.set(outer, `c${input.push(outer) - 1}`);
    nodes.forEach(({ output }, i) => output.forEach((each) => local.set(each, `v${i}`)));
    const definition = {
      input: input.map((each) => local.get(each)!),
      output: results.map((each) => local.get(each)!),
      nodes: nodes.map((node, i) => ({
        ...node,
        name: `${i}.${node.opType}`,
        input: node.input.map((each) => local.get(each)!),
        output: node.output.map((each) => local.get(each)!),
      })),
    };
    return { name: this.#register(name, definition).name, input };
  }

  #register(name: string, definition: Omit<OnnxFunction, "name">): OnnxFunction {
    const key = JSON.stringify([name, definition]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const added = { name: count === 1 ? name : `${name}_${count}`, ...definition };
    this.#known.set(key, added);
    this.functions.push(added);
    return added;
  }
}
