/**
 * Reverse-mode differentiation: from a scalar back to whatever it was computed from.
 * Each operation knows only its own formula; sums over several uses and over broadcast axes happen here, once.
 */
import { topological } from "./graph";
import { type Apply, broadcastShapes, scalar, type Shape, type Value } from "./op";
import { add } from "./ops/elementwise";
import { concat, pad, reshape } from "./ops/movement";
import { expand, sum } from "./ops/reduction";
import { Recomputation, type Segment } from "./recompute";

export interface GradientOptions {
  /** Parts of the forward graph to compute again in the backward pass instead of keeping their values. */
  readonly recompute?: readonly Segment[];
}

export interface Differentiated {
  /** dL/dx for each x that was asked for, of x's shape; zeros where L does not depend on x. */
  readonly gradients: readonly Value[];
  /** L, or what else follows from the same values, computed from what the backward pass computes anyway. */
  readonly again: (value: Value) => Value;
}

/** The gradients of a scalar alone. */
export function gradients(loss: Value, wrt: readonly Value[], options: GradientOptions = {}): Value[] {
  return [...differentiate(loss, wrt, options).gradients];
}

export function differentiate(
  loss: Value,
  wrt: readonly Value[],
  { recompute = [] }: GradientOptions = {},
): Differentiated {
  if (loss.type.shape.length !== 0)
    throw new Error(`Only a scalar has gradients, not [${loss.type.shape.join(", ")}].`);
  const order = topological([loss]);
  const asked = dependents(order, wrt);
  const flowing = new Map<Value, Value[]>([[loss, [scalar(1)]]]);
  const recomputation = new Recomputation(recompute, settle);
  for (const value of order.reverse()) {
    const arrived = flowing.get(value);
    if (arrived === undefined || value.kind !== "apply" || !asked.has(value)) continue;
    const grad = total(arrived);
    if (value.op.gradient === "zero") continue;
    if (value.op.gradient === "stop") throw new Error(`A gradient reached ${value.op.name}, which has none.`);
    const again = recomputation.enter(value, grad);
    const flows = value.op.gradient({
      inputs: value.inputs.map(again),
      output: again(value),
      grad,
      attrs: value.attrs,
      needs: value.inputs.map((input) => asked.has(input)),
    });
    if (flows.length !== value.inputs.length)
      throw new Error(
        `The gradient of ${value.op.name} has ${flows.length} parts for ${value.inputs.length} inputs.`,
      );
    accumulate(value, flows);
  }
  const found = wrt.map((x) => {
    const arrived = flowing.get(x);
    return arrived === undefined ? expand(scalar(0), { shape: x.type.shape }) : total(arrived);
  });
  return { gradients: found, again: (value) => recomputation.last(value) };

  function accumulate(value: Apply, flows: readonly (Value | null)[]): void {
    flows.forEach((flow, i) => {
      const input = value.inputs[i]!;
      if (flow === null || !asked.has(input)) return;
      const mine = unbroadcast(flow, input.type.shape);
      flowing.set(input, [...(flowing.get(input) ?? []), mine]);
      recomputation.flowed(value, input);
    });
  }

  /** Pieces that may yet be joined stay apart; anything else is added up, so that the addends need not be held. */
  function settle(value: Value): Value {
    const arrived = flowing.get(value)!;
    if (!areApart(arrived)) flowing.set(value, [total(arrived)]);
    return flowing.get(value)!.at(-1)!;
  }
}

/** The values that depend on any of `wrt`, themselves included: only there do gradients have to flow. */
function dependents(order: readonly Value[], wrt: readonly Value[]): Set<Value> {
  const found = new Set<Value>(wrt);
  for (const value of order)
    if (value.kind === "apply" && value.inputs.some((input) => found.has(input))) found.add(value);
  return found;
}

/** What several uses of a value ask of it together. */
function total(flows: readonly Value[]): Value {
  return joined(flows) ?? flows.reduce((sum, flow) => add(sum, flow));
}

/** A gradient of some elements along an axis alone, as the gradient of `slice` is. */
interface Piece {
  readonly content: Value;
  readonly axis: number;
  readonly from: number;
  readonly to: number;
}

/** The flows as pieces along one axis, in its order, where all of them are. */
function piecesOf(flows: readonly Value[]): readonly Piece[] | undefined {
  const pieces = flows.flatMap((flow) => {
    if (flow.kind !== "apply" || flow.op !== pad) return [];
    const [content] = flow.inputs as readonly [Value];
    const { axis, before } = flow.attrs as { axis: number; before: number };
    return [{ content, axis, from: before, to: before + content.type.shape[axis]! }];
  });
  if (pieces.length !== flows.length || pieces.some(({ axis }) => axis !== pieces[0]!.axis)) return undefined;
  return pieces.toSorted((a, b) => a.from - b.from);
}

function areApart(flows: readonly Value[]): boolean {
  return piecesOf(flows)?.every(({ from }, i, all) => i === 0 || from >= all[i - 1]!.to) ?? false;
}

/** Uses that tile a value (q, k, v of one product) have gradients that lie side by side: no zeros are padded and added. */
function joined(flows: readonly Value[]): Value | undefined {
  const pieces = piecesOf(flows);
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
  // A formula may return fewer axes than its input where the gradient is the same everywhere.
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
