/**
 * Reverse-mode automatic differentiation of a scalar.
 * Each operation defines only its own formula; gradients of multiple uses and of broadcast axes are summed here.
 */
import { sortTopologically } from "./graph";
import { type Apply, broadcastShapes, scalar, type Shape, type Value } from "./op";
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
  const order = sortTopologically([loss]);
  const dependentValues = findDependents(order, wrt);
  const flowing = new Map<Value, Value[]>([[loss, [scalar(1)]]]);
  const recomputation = new Recomputation(recompute, settle);
  const forward = new Set(order);
  const origins = new Map<Value, Value>();
  for (const value of order.reverse()) {
    const arrived = flowing.get(value);
    if (arrived === undefined || value.kind !== "apply" || !dependentValues.has(value)) continue;
    const grad = sumGradients(arrived);
    recordOrigin(grad, value);
    if (value.op.gradient === "zero") continue;
    if (value.op.gradient === "stop")
      throw new Error(`Operation ${value.op.name} is not differentiable, but a gradient reached it.`);
    const again = recomputation.enter(value, grad);
    const flows = value.op.gradient({
      inputs: value.inputs.map(again),
      output: again(value),
      grad,
      attrs: value.attrs,
      needs: value.inputs.map((input) => dependentValues.has(input)),
    });
    if (flows.length !== value.inputs.length)
      throw new Error(
        `The gradient of ${value.op.name} returned ${flows.length} values for ${value.inputs.length} inputs.`,
      );
    for (const flow of flows) if (flow !== null) recordOrigin(flow, value);
    accumulate(value, flows);
  }
  const results = wrt.map((x) => {
    const arrived = flowing.get(x);
    const result = arrived === undefined ? expand(scalar(0), { shape: x.type.shape }) : sumGradients(arrived);
    recordOrigin(result, x);
    return result;
  });
  return {
    gradients: results,
    again: (value) => recomputation.last(value),
    origins: new Map([...origins, ...recomputation.copies]),
  };

  /** Records the values of the backward pass that were built for `of`. */
  function recordOrigin(value: Value, of: Value): void {
    if (value.kind !== "apply" || forward.has(value)) return;
    if (origins.has(value) || recomputation.copies.has(value)) return;
    origins.set(value, of);
    for (const input of value.inputs) recordOrigin(input, of);
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
