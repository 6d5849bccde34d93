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

/** dL/dx for each x of `wrt`, of x's shape; zeros where L does not depend on x. */
export function gradients(loss: Value, wrt: readonly Value[], options: GradientOptions = {}): Value[] {
  if (loss.type.shape.length !== 0)
    throw new Error(`Only a scalar has gradients, not [${loss.type.shape.join(", ")}].`);
  const order = topological([loss]);
  const asked = dependents(order, wrt);
  const recomputation = new Recomputation(options.recompute ?? []);
  const flowing = new Map<Value, Value[]>([[loss, [scalar(1)]]]);
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
  return wrt.map((x) => {
    const arrived = flowing.get(x);
    return arrived === undefined ? expand(scalar(0), { shape: x.type.shape }) : total(arrived);
  });

  function accumulate(value: Apply, flows: readonly (Value | null)[]): void {
    flows.forEach((flow, i) => {
      const input = value.inputs[i]!;
      if (flow === null || !asked.has(input)) return;
      const mine = unbroadcast(flow, input.type.shape);
      flowing.set(input, [...(flowing.get(input) ?? []), mine]);
    });
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

/** Uses that tile a value (q, k, v of one product) have gradients that lie side by side: no zeros are padded and added. */
function joined(flows: readonly Value[]): Value | undefined {
  const pieces = flows.flatMap((flow) => (flow.kind === "apply" && flow.op === pad ? [flow] : []));
  const axis = pieces[0]?.attrs.axis as number;
  if (pieces.length !== flows.length || pieces.some((piece) => piece.attrs.axis !== axis)) return undefined;
  const sorted = pieces.toSorted((a, b) => Number(a.attrs.before) - Number(b.attrs.before));
  let end = 0;
  for (const { attrs, inputs } of sorted) {
    if (attrs.before !== end) return undefined;
    end += inputs[0]!.type.shape[axis]!;
  }
  if (end !== flows[0]!.type.shape[axis]) return undefined;
  return concat(...sorted.map(({ inputs }) => inputs[0]!), { axis });
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
