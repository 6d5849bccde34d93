/** Replaces calls of composites by their bodies, for executors that know only primitives. */
import { bodyOf, type CompositeCall, findSelection, isCall, substitute } from "./composite";
import { computeContentKey, type Graph } from "./graph";
import type { AnyOp, Apply, Value } from "./op";

export interface ExpandOptions {
  /** True for calls that stay, because the executor has a kernel. Default: none. */
  readonly keeps?: (call: CompositeCall) => boolean;
  /** The call whose body replaces a call, with the same types. Default: the call itself. */
  readonly replaceCall?: (call: CompositeCall) => CompositeCall;
  /**
   * Computes equal subexpressions once: a gradient repeats values of its forward pass in its body. Default: true. False
   * keeps the graph's structure independent of its sizes.
   */
  readonly merges?: boolean;
  /** Called for each value of the result with the value of `graph` that it is, or is a part of; also for equal parts. */
  readonly onValue?: (value: Value, origin: Value) => void;
}

/** A graph of primitives with the same outputs. Outputs of calls that nothing reads are left out. */
export function expandComposites(
  graph: Graph,
  { keeps = () => false, replaceCall = (call) => call, merges = true, onValue }: ExpandOptions = {},
): Graph {
  const intern = merges ? createInterning() : (value: Apply) => value;
  const expanded = new Map<Value, readonly Value[]>();
  const rewrite = (outputs: readonly Value[], replacements: ReadonlyMap<Value, Value>, caller?: Apply) => {
    const visit = (value: Apply, inputs: readonly Value[]): Value => {
      const origin = caller ?? value;
      const selection = findSelection(value);
      const selected = selection && expanded.get(selection.call)?.[selection.index];
      if (selected !== undefined) return selected;
      if (!isCall(value) || keeps(value)) {
        const isSame = inputs.every((each, i) => each === value.inputs[i]);
        const result = intern(isSame ? value : { ...value, inputs });
        onValue?.(result, origin);
        return result;
      }
      const body = bodyOf(replaceCall(value));
      const inner = new Map(body.inputs.map((each, i) => [each, inputs[i]!]));
      const results = rewrite(body.outputs, inner, origin);
      expanded.set(value, results);
      return results[0]!;
    };
    return substitute(outputs, replacements, visit);
  };
  const names = Object.keys(graph.outputs);
  const outputs = rewrite(Object.values(graph.outputs), new Map());
  return { ...graph, outputs: Object.fromEntries(names.map((name, i) => [name, outputs[i]!])) };
}

/** Returns a function that maps applications of the same operation to the same inputs to the first of them. */
function createInterning(): (value: Apply) => Apply {
  const known = new Map<string, Apply>();
  const ids = new Map<Value | AnyOp, number>();
  const constants = new Map<string, number>();
  const getId = (key: Value | AnyOp): number => {
    const id = ids.get(key) ?? getConstantId(key) ?? ids.size;
    ids.set(key, id);
    return id;
  };
  const getConstantId = (key: Value | AnyOp): number | undefined => {
    if (!("kind" in key) || key.kind !== "constant") return undefined;
    const content = computeContentKey(key.type, key.data);
    if (content === undefined) return undefined;
    const id = constants.get(content) ?? ids.size;
    constants.set(content, id);
    return id;
  };
  return (value) => {
    const key = JSON.stringify([getId(value.op), value.attrs, value.inputs.map(getId)]);
    const same = known.get(key) ?? value;
    known.set(key, same);
    return same;
  };
}
