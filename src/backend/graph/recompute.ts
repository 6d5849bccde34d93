/**
 * Recomputation (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174): of a segment only its input is kept; its
 * inner values are computed a second time when the gradient arrives, so that memory grows with one segment, not with all.
 */
import { type Apply, input, type Value } from "./op";
import { cast } from "./ops/elementwise";
import { gated } from "./ops/gate";
import { reshape, slice } from "./ops/movement";

/** A part of the forward graph, such as a decoder layer, that sees the rest only through `inputs` (and parameters). */
export interface Segment {
  /** What its values are computed from again; all that is inside depends on one of them. */
  readonly inputs: readonly Value[];
  readonly output: Value;
}

/** Name of the boolean scalar that a graph with recomputation must be fed with true. */
export const recomputeGateName = "recompute_gate";

export class Recomputation {
  /** The segment that owns a value, and the copies made of its values so far. */
  readonly #owner = new Map<Value, Copies>();
  // ONNX Runtime merges equal subexpressions, which would turn the second computation back into the first.
  readonly #gate = input(recomputeGateName, [], "bool");

  constructor(segments: readonly Segment[]) {
    for (const segment of segments) {
      const owned = { segment, copies: new Map<Value, Value>() };
      for (const value of within(segment)) {
        if (this.#owner.has(value)) throw new Error("Recomputed segments must not overlap.");
        this.#owner.set(value, owned);
      }
    }
  }

  /** How the gradient of `value` sees the forward values of its segment: as copies that wait for `grad`. */
  enter(value: Apply, grad: Value): (forward: Value) => Value {
    const owned = this.#owner.get(value);
    if (owned === undefined) return (forward) => forward;
    if (owned.copies.size === 0) {
      const after = firstElement(grad);
      for (const each of owned.segment.inputs) {
        const { dtype } = each.type;
        const ready = dtype === after.type.dtype ? after : cast(after, { to: dtype });
        owned.copies.set(each, gated(this.#gate, each, ready));
      }
    }
    return (forward) => this.#copy(owned, forward);
  }

  #copy(owned: Copies, value: Value): Value {
    const known = owned.copies.get(value);
    if (known !== undefined) return known;
    if (value.kind !== "apply" || this.#owner.get(value) !== owned) return value;
    const copy: Value = { ...value, inputs: value.inputs.map((each) => this.#copy(owned, each)) };
    owned.copies.set(value, copy);
    return copy;
  }
}

interface Copies {
  readonly segment: Segment;
  readonly copies: Map<Value, Value>;
}

/** The values from a segment's inputs (left out) to its output that depend on an input; what they share is not copied. */
function within({ inputs, output }: Segment): Value[] {
  const depends = new Map<Value, boolean>(inputs.map((each) => [each, true]));
  const owned: Value[] = [];
  const visit = (value: Value): boolean => {
    const known = depends.get(value);
    if (known !== undefined) return known;
    const reached = value.kind === "apply" && value.inputs.map(visit).includes(true);
    depends.set(value, reached);
    if (reached) owned.push(value);
    return reached;
  };
  if (!visit(output)) throw new Error("A recomputed segment's output does not depend on its inputs.");
  return owned;
}

function firstElement(x: Value): Value {
  const one = x.type.shape.reduce(
    (part, size, axis) => (size === 1 ? part : slice(part, { axis, start: 0, end: 1 })),
    x,
  );
  return reshape(one, { shape: [] });
}
