/**
 * Proves from a graph alone that the next value of a state input may be written into the buffer of the old one.
 * That halves the memory of training state, and is silently wrong wherever somebody still has to read the old value.
 */
import { type Graph, inputsOf, topological } from "../graph/graph";
import type { AnyOp, Value } from "../graph/op";
import { add, div, maximum, minimum, mul, neg, sub, where } from "../graph/ops/elementwise";
import { replaceRows } from "../graph/ops/indexing";
import { concat } from "../graph/ops/movement";

/** Each element of the output depends on the same element of a full-sized input, so reading may alias writing. */
const elementwise: ReadonlySet<AnyOp> = new Set<AnyOp>([add, sub, mul, div, neg, maximum, minimum, where]);

/**
 * The state inputs (of `state`: output name → input name) whose buffers may take the new value.
 *
 * A runtime executes nodes one after another, in any order that respects the edges. The old value is safe to overwrite
 * by the node that writes the new one if every reader of the old value is an ancestor of that node, hence done, or is
 * that node itself, working element by element.
 *
 * A runtime may also turn an operation into a view of its input, remove it, or fuse it into its readers. So whoever
 * reads the result of an operation with a single variable input, or of a concatenation, counts as a reader of that
 * input too.
 */
export function inPlaceStates(graph: Graph, state: Readonly<Record<string, string>>): Set<string> {
  const order = topological(Object.values(graph.outputs));
  const consumers = consumersOf(order);
  const inputs = new Map(inputsOf(graph).map((value) => [value.name, value]));
  const candidates = Object.entries(state).flatMap(([output, name]) => {
    const old = inputs.get(name);
    const next = graph.outputs[output];
    if (old === undefined || next === undefined || !sameType(old, next)) return [];
    const { readers, views } = readersOf(old, consumers);
    // An output that may be a view of the old value is read when the run ends, after every node.
    const escapes = Object.entries(graph.outputs).some(
      ([each, value]) => each !== output && views.has(value),
    );
    const rewrites = !readers.has(next) || isAligned(next, old, views);
    return escapes || !rewrites ? [] : [{ name, next, readers }];
  });
  const isAncestor = ancestry(order, new Set(candidates.flatMap(({ readers }) => [...readers])));
  return new Set(
    candidates
      .filter(({ next, readers }) => [...readers].every((reader) => isAncestor(reader, next)))
      .map(({ name }) => name),
  );
}

/** Who reads a value, directly or through what may be a view of it; the value is its own first view. */
function readersOf(value: Value, consumers: ReadonlyMap<Value, readonly Value[]>) {
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

/** Whether `value` reads the old buffer, directly or through views, only at the place of the element that it writes. */
function isAligned(value: Value, old: Value, views: ReadonlySet<Value>): boolean {
  if (value === old) return true;
  if (value.kind !== "apply" || !sameType(value, old)) return false;
  // It writes some rows and leaves the others where they are; where and what it writes must not come from the old buffer.
  if (value.op === replaceRows)
    return (
      isAligned(value.inputs[0]!, old, views) && !value.inputs.slice(1).some((input) => views.has(input))
    );
  if (!elementwise.has(value.op)) return false;
  return value.inputs.every((input) => !views.has(input) || isAligned(input, old, views));
}

/** Tells for some values of a graph whether another depends on them (or is the same); one bit each, passed downstream. */
function ancestry(order: readonly Value[], asked: ReadonlySet<Value>): (up: Value, down: Value) => boolean {
  const index = new Map([...asked].map((value, i) => [value, i]));
  const words = Math.ceil(asked.size / 32);
  const reached = new Map<Value, Uint32Array>();
  for (const value of order) {
    const bits = new Uint32Array(words);
    for (const input of value.kind === "apply" ? value.inputs : [])
      reached.get(input)!.forEach((word, i) => (bits[i]! |= word));
    const own = index.get(value);
    if (own !== undefined) bits[own >> 5]! |= 1 << (own & 31);
    reached.set(value, bits);
  }
  return (up, down) => {
    const own = index.get(up)!;
    return ((reached.get(down)![own >> 5]! >>> (own & 31)) & 1) === 1;
  };
}

function sameType(a: Value, b: Value): boolean {
  return a.type.dtype === b.type.dtype && a.type.shape.join() === b.type.shape.join();
}

function consumersOf(order: readonly Value[]): Map<Value, Value[]> {
  const consumers = new Map<Value, Value[]>();
  for (const value of order)
    for (const input of new Set(value.kind === "apply" ? value.inputs : [])) {
      const known = consumers.get(input);
      if (known === undefined) consumers.set(input, [value]);
      else known.push(value);
    }
  return consumers;
}
