/**
 * Proves from a graph that the next value of a state input may be written into the buffer of the old value.
 * This halves the memory of training state. Without the proof, a node that still reads the old value would silently
 * compute wrong numbers.
 */
import { expandComposites } from "../graph/expand";
import { type Graph, listInputs, sortTopologically } from "../graph/graph";
import type { AnyOp, Value } from "../graph/op";
import { add, div, maximum, minimum, mul, neg, sub, where } from "../graph/ops/elementwise";
import { replaceRows } from "../graph/ops/indexing";
import { concat } from "../graph/ops/movement";

/** Each element of the output depends only on the same element of a full-sized input, so the two may share a buffer. */
const elementwise: ReadonlySet<AnyOp> = new Set<AnyOp>([add, sub, mul, div, neg, maximum, minimum, where]);

/**
 * Finds the state inputs (of `state`: output name → input name) whose buffers may hold the new value.
 *
 * A runtime executes nodes one at a time, in any topological order. The node that writes the new value may overwrite the
 * old one if every reader of the old value is an ancestor of that node, and so has finished, or is the node itself,
 * working element by element.
 *
 * A runtime may also turn an operation into a view of its input, remove it, or fuse it into its readers. Readers of an
 * operation with a single variable input, or of a concatenation, therefore count as readers of that input too.
 */
export function findInPlaceStates(calls: Graph, state: Readonly<Record<string, string>>): Set<string> {
  const graph = expandComposites(calls);
  const order = sortTopologically(Object.values(graph.outputs));
  const consumers = indexConsumers(order);
  const inputs = new Map(listInputs(graph).map((value) => [value.name, value]));
  const candidates = Object.entries(state).flatMap(([output, name]) => {
    const old = inputs.get(name);
    const next = graph.outputs[output];
    if (old === undefined || next === undefined || !haveSameType(old, next)) return [];
    const { readers, views } = findReaders(old, consumers);
    // An output that may be a view of the old value is read after the run, and so after every node.
    const escapes = Object.entries(graph.outputs).some(
      ([each, value]) => each !== output && views.has(value),
    );
    const rewrites = !readers.has(next) || isAligned(next, old, views);
    return escapes || !rewrites ? [] : [{ name, next, readers }];
  });
  const isAncestor = createAncestryTest(order, new Set(candidates.flatMap(({ readers }) => [...readers])));
  return new Set(
    candidates
      .filter(({ next, readers }) => [...readers].every((reader) => isAncestor(reader, next)))
      .map(({ name }) => name),
  );
}

/** Finds the readers of a value, direct and through possible views of it. The first view is the value itself. */
function findReaders(value: Value, consumers: ReadonlyMap<Value, readonly Value[]>) {
  const readers = new Set<Value>();
  const views = new Set([value]);
  for (const view of views)
    for (const consumer of consumers.get(view) ?? []) {
      readers.add(consumer);
      if (mayBeView(consumer)) views.add(consumer);
    }
  return { readers, views };
}

function mayBeView(value: Value): boolean {
  if (value.kind !== "apply") return false;
  return value.op === concat || value.inputs.filter((input) => input.kind !== "constant").length === 1;
}

/** Whether `value` reads the old buffer, directly or through views, only at the element that it writes. */
function isAligned(value: Value, old: Value, views: ReadonlySet<Value>): boolean {
  if (value === old) return true;
  if (value.kind !== "apply" || !haveSameType(value, old)) return false;
  // It writes some rows in place; their indices and values must not come from the old buffer.
  if (value.op === replaceRows)
    return (
      isAligned(value.inputs[0]!, old, views) && !value.inputs.slice(1).some((input) => views.has(input))
    );
  if (!elementwise.has(value.op)) return false;
  return value.inputs.every((input) => !views.has(input) || isAligned(input, old, views));
}

/** Returns a predicate for whether `down` depends on, or is, one of `sources`. Each has one bit that is propagated downstream. */
function createAncestryTest(
  order: readonly Value[],
  sources: ReadonlySet<Value>,
): (up: Value, down: Value) => boolean {
  const index = new Map([...sources].map((value, i) => [value, i]));
  const words = Math.ceil(sources.size / 32);
  const ancestorBits = new Map<Value, Uint32Array>();
  for (const value of order) {
    const bits = new Uint32Array(words);
    for (const input of value.kind === "apply" ? value.inputs : [])
      ancestorBits.get(input)!.forEach((word, i) => (bits[i]! |= word));
    const bitIndex = index.get(value);
    if (bitIndex !== undefined) bits[bitIndex >> 5]! |= 1 << (bitIndex & 31);
    ancestorBits.set(value, bits);
  }
  return (up, down) => {
    const bitIndex = index.get(up)!;
    return ((ancestorBits.get(down)![bitIndex >> 5]! >>> (bitIndex & 31)) & 1) === 1;
  };
}

function haveSameType(a: Value, b: Value): boolean {
  return a.type.dtype === b.type.dtype && a.type.shape.join() === b.type.shape.join();
}

function indexConsumers(order: readonly Value[]): Map<Value, Value[]> {
  const consumers = new Map<Value, Value[]>();
  for (const value of order)
    for (const input of new Set(value.kind === "apply" ? value.inputs : [])) {
      const users = consumers.get(input);
      if (users === undefined) consumers.set(input, [value]);
      else users.push(value);
    }
  return consumers;
}
