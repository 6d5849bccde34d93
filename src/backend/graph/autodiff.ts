/**
 * Reverse-mode automatic differentiation.
 * Each operation defines only its own formula; gradients of multiple uses and of broadcast axes are summed here.
 */
import { bodyOf, type CompositeCall, findSelection, substitute } from "./composite";
import { sortTopologically } from "./graph";
import { type Apply, broadcastShapes, input, scalar, type Shape, type Value } from "./op";
import { add } from "./ops/elementwise";
import { concat, pad, reshape } from "./ops/movement";
import { expand, sum } from "./ops/reduction";
import { Recomputation, type Segment } from "./recompute";

export interface GradientOptions {
  /** Parts of the forward graph to recompute in the backward pass instead of storing their values. */
  readonly recompute?: readonly Segment[];
}

export interface Differentiation {
  /** dL/dx for each x in `wrt`, with x's shape; zeros where L does not depend on x. */
  readonly gradients: readonly Value[];
  /** Maps L, or another value derived from the same inputs, to one computed from the recomputed forward values. */
  readonly again: (value: Value) => Value;
  /** Maps each value of the backward pass to the forward value that it is a gradient of, or a recomputation of. */
  readonly origins: ReadonlyMap<Value, Value>;
}

/** Returns only the gradients. */
export function gradients(loss: Value, wrt: readonly Value[], options: GradientOptions = {}): Value[] {
  return [...differentiate(loss, wrt, options).gradients];
}

export function differentiate(
  loss: Value,
  wrt: readonly Value[],
  { recompute = [] }: GradientOptions = {},
): Differentiation {
  if (loss.type.shape.length !== 0)
    throw new Error(
      `Only a scalar can be differentiated, not a tensor of shape [${loss.type.shape.join(", ")}].`,
    );
  const { gradientOf, recomputation, origins } = propagate(new Map([[loss, scalar(1)]]), wrt, recompute);
  return {
    gradients: wrt.map((x) => gradientOf(x) ?? expand(scalar(0), { shape: x.type.shape })),
    again: (value) => recomputation.last(value),
    origins: new Map([...origins, ...recomputation.copies]),
  };
}

/**
 * The gradient of each value of `wrt`, given those of some outputs; null where no output depends on it. Formulas read
 * `known` values in place of the keys, for example an output of the forward pass that is stored anyway.
 */
export function pullBack(
  outputs: ReadonlyMap<Value, Value>,
  wrt: readonly Value[],
  known: ReadonlyMap<Value, Value> = new Map(),
): (Value | null)[] {
  const { gradientOf } = propagate(outputs, wrt, [], known);
  return wrt.map((x) => gradientOf(x) ?? null);
}

/** Carries the gradients of `seeds` (output → gradient) back to `wrt`. */
function propagate(
  seeds: ReadonlyMap<Value, Value>,
  wrt: readonly Value[],
  recompute: readonly Segment[],
  known: ReadonlyMap<Value, Value> = new Map(),
) {
  const order = sortTopologically(seeds.keys());
  const dependentValues = findDependents(order, wrt);
  const flowing = new Map<Value, Value[]>([...seeds].map(([value, grad]) => [value, [grad]]));
  /** Gradients of a call's outputs after the first, by their number. */
  const selected = new Map<Value, Map<number, Value>>();
  const recomputation = new Recomputation(recompute, settle);
  const forward = new Set(order);
  const origins = new Map<Value, Value>();
  for (const value of order.reverse()) {
    if (value.kind !== "apply" || !dependentValues.has(value)) continue;
    const arrived = flowing.get(value);
    const selection = findSelection(value);
    if (selection !== undefined) {
      const { call, index } = selection;
      if (arrived === undefined) continue;
      selected.set(call, (selected.get(call) ?? new Map<number, Value>()).set(index, sumGradients(arrived)));
      continue;
    }
    const others = selected.get(value);
    if (arrived === undefined && others === undefined) continue;
    const grad = arrived && sumGradients(arrived);
    if (grad !== undefined) recordOrigin(grad, value);
    const flows = computeFlows(value, grad, others);
    if (flows === "zero") continue;
    if (flows.length !== value.inputs.length)
      throw new Error(
        `The gradient of ${value.op.name} returned ${flows.length} values for ${value.inputs.length} inputs.`,
      );
    for (const flow of flows) if (flow !== null) recordOrigin(flow, value);
    accumulate(value, flows);
  }
  const gradientOf = (x: Value): Value | undefined => {
    const arrived = flowing.get(x);
    const result = arrived && sumGradients(arrived);
    if (result !== undefined) recordOrigin(result, x);
    return result;
  };
  return { gradientOf, recomputation, origins };

  /** Records the values of the backward pass that were built for `of`. */
  function recordOrigin(value: Value, of: Value): void {
    if (value.kind !== "apply" || forward.has(value)) return;
    if (origins.has(value) || recomputation.copies.has(value)) return;
    origins.set(value, of);
    for (const input of value.inputs) recordOrigin(input, of);
  }

  function computeFlows(
    value: Apply,
    grad: Value | undefined,
    others: ReadonlyMap<number, Value> = new Map(),
  ): readonly (Value | null)[] | "zero" {
    const { gradient, name } = value.op;
    if (gradient === "zero") return "zero";
    if (gradient === "stop")
      throw new Error(`Operation ${name} is not differentiable, but a gradient reached it.`);
    const enter = recomputation.enter(value, grad ?? [...others.values()][0]!);
    const again = (each: Value) => known.get(each) ?? enter(each);
    const inputs = value.inputs.map(again);
    const needs = value.inputs.map((each) => dependentValues.has(each));
    if (gradient !== undefined && (grad === undefined || others.size > 0))
      throw new Error(`Only the first output of ${name} has a gradient, but one reached another output.`);
    const flows = gradient?.({ inputs, output: again(value), grad: grad!, attrs: value.attrs, needs });
    if (flows !== undefined) return flows;
    const grads = grad === undefined ? others : new Map(others).set(0, grad);
    return differentiateBody(value as CompositeCall, inputs, grads, needs);
  }

  function accumulate(value: Apply, flows: readonly (Value | null)[]): void {
    flows.forEach((flow, i) => {
      const input = value.inputs[i]!;
      if (flow === null || !dependentValues.has(input)) return;
      const reduced = unbroadcast(flow, input.type.shape);
      recordOrigin(reduced, value);
      flowing.set(input, [...(flowing.get(input) ?? []), reduced]);
      recomputation.recordFlow(value, input);
    });
  }

  /** Sums the gradients of a value so far, which frees the addends, unless they are slices that can still be concatenated. */
  function settle(value: Value): Value {
    const arrived = flowing.get(value)!;
    if (!areDisjoint(arrived)) flowing.set(value, [sumGradients(arrived)]);
    return flowing.get(value)!.at(-1)!;
  }
}

/** The gradient of a composite's body; `grads` has those of its outputs by their number. */
function differentiateBody(
  call: CompositeCall,
  inputs: readonly Value[],
  grads: ReadonlyMap<number, Value>,
  needs: readonly boolean[],
): (Value | null)[] {
  const body = bodyOf(call);
  const seeds = new Map<Value, Value>();
  const replacements = new Map(body.inputs.map((each, i) => [each, inputs[i]!]));
  for (const [index, grad] of grads) {
    const seed = input(`gradient ${index}`, grad.type.shape, grad.type.dtype);
    const output = body.outputs[index]!;
    const same = seeds.get(output);
    seeds.set(output, same === undefined ? seed : add(same, seed));
    replacements.set(seed, grad);
  }
  const wrt = body.inputs.filter((_, i) => needs[i]);
  const found = pullBack(seeds, wrt);
  const flows = substitute(
    found.filter((flow) => flow !== null),
    replacements,
  );
  const byInput = new Map(wrt.map((each, i) => [each, found[i] === null ? null : flows.shift()!]));
  return body.inputs.map((each) => byInput.get(each) ?? null);
}

/** The values that depend on any of `wrt`, including `wrt`. Gradients flow only through these. */
function findDependents(order: readonly Value[], wrt: readonly Value[]): Set<Value> {
  const visited = new Set<Value>(wrt);
  for (const value of order)
    if (value.kind === "apply" && value.inputs.some((input) => visited.has(input))) visited.add(value);
  return visited;
}

/** The gradient of a value that is used several times. */
function sumGradients(flows: readonly Value[]): Value {
  return concatenatePieces(flows) ?? flows.reduce((sum, flow) => add(sum, flow));
}

/** A gradient that is nonzero only for a range of elements along an axis, such as that of `slice`. */
interface Piece {
  readonly content: Value;
  readonly axis: number;
  readonly from: number;
  readonly to: number;
}

/** The gradients as pieces along one axis, in order, or undefined if any of them is not a piece. */
function findPieces(flows: readonly Value[]): readonly Piece[] | undefined {
  const pieces = flows.flatMap((flow) => {
    if (flow.kind !== "apply" || flow.op !== pad) return [];
    const [content] = flow.inputs as readonly [Value];
    const { axis, before } = flow.attrs as { axis: number; before: number };
    return [{ content, axis, from: before, to: before + content.type.shape[axis]! }];
  });
  if (pieces.length !== flows.length || pieces.some(({ axis }) => axis !== pieces[0]!.axis)) return undefined;
  return pieces.toSorted((a, b) => a.from - b.from);
}

function areDisjoint(flows: readonly Value[]): boolean {
  return findPieces(flows)?.every(({ from }, i, all) => i === 0 || from >= all[i - 1]!.to) ?? false;
}

/** Concatenates the gradients of uses that tile a value (q, k, v of one product) instead of padding and adding them. */
function concatenatePieces(flows: readonly Value[]): Value | undefined {
  const pieces = findPieces(flows);
  if (pieces === undefined) return undefined;
  const { axis } = pieces[0]!;
  const ends = [0, ...pieces.map(({ to }) => to)];
  if (pieces.some(({ from }, i) => from !== ends[i])) return undefined;
  if (ends.at(-1) !== flows[0]!.type.shape[axis]) return undefined;
  return concat(...pieces.map(({ content }) => content), { axis });
}

/** Sums a gradient over the axes along which its input was repeated. */
function unbroadcast(grad: Value, shape: Shape): Value {
  const from = grad.type.shape;
  if (from.join() === shape.join() && from.length === shape.length) return grad;
  // A formula may return fewer axes than its input if the gradient is constant along them.
  const full = broadcastShapes(from, shape);
  const whole =
    full.length === from.length && full.every((size, axis) => size === from[axis])
      ? grad
      : expand(grad, { shape: full });
  const lead = full.length - shape.length;
  const axes = full.flatMap((size, axis) =>
    axis < lead || (shape[axis - lead] === 1 && size !== 1) ? [axis] : [],
  );
  return reshape(axes.length === 0 ? whole : sum(whole, { axes, keepDims: false }), { shape });
}
