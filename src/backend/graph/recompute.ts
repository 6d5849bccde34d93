/**
 * Recomputation (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174): of a segment only its inputs are kept; its
 * inner values are computed a second time when the gradient arrives, so that memory grows with one segment, not with all.
 * Segments may lie inside one another: blocks of attention in a layer.
 */
import { type Apply, input, type Value } from "./op";
import { add, cast } from "./ops/elementwise";
import { gated } from "./ops/gate";
import { pad, reshape, slice } from "./ops/movement";

/** A part of the forward graph, such as a decoder layer, that sees the rest only through `inputs` (and parameters). */
export interface Segment {
  /** What its values are computed from again; all that is inside depends on one of them. */
  readonly inputs: readonly Value[];
  readonly output: Value;
  /**
   * Nothing but the differentiated scalar depends on it, as on the loss of some tokens. So its first computation can be
   * spared: whoever reads the scalar takes it from the second (see `Recomputation.last`).
   */
  readonly last?: boolean;
}

/** Name of the boolean scalar that a graph with recomputation must be fed with true. */
export const recomputeGateName = "recompute_gate";

/** The one gate of a graph; equal names of different values are refused. */
export const recomputeGate = input(recomputeGateName, [], "bool");

/** A segment in use: what it is part of, and the copies made of its values so far. */
interface Scope {
  readonly segment: Segment;
  readonly parent: Scope | undefined;
  readonly owned: ReadonlySet<Value>;
  readonly copies: Map<Value, Value>;
  /** Values outside to which gradients have flowed from inside. */
  readonly reached: Set<Value>;
}

export class Recomputation {
  /** The innermost segment that a value belongs to. */
  readonly #owner = new Map<Value, Scope>();
  /** The segment of a parent that was computed again before; the next one waits for its gradients. */
  readonly #before = new Map<Scope | undefined, Scope>();
  readonly #last = new Map<Value, Value>();

  /** `settle` adds up what has flowed to a value so far, and says what of it came last. */
  constructor(
    segments: readonly Segment[],
    private readonly settle: (value: Value) => Value,
  ) {
    const outermostFirst = segments
      .map((segment) => ({ segment, owned: new Set(within(segment)) }))
      .sort((a, b) => b.owned.size - a.owned.size);
    for (const { segment, owned } of outermostFirst) {
      const parents = new Set([...owned].map((value) => this.#owner.get(value)));
      const [parent] = parents;
      if (parents.size !== 1 || parent?.owned.size === owned.size)
        throw new Error("Recomputed segments must not overlap.");
      const scope = { segment, parent, owned, copies: new Map<Value, Value>(), reached: new Set<Value>() };
      for (const value of owned) this.#owner.set(value, scope);
    }
  }

  /** How the gradient of `value` sees the forward values of its segment: as copies that wait for `grad`. */
  enter(value: Apply, grad: Value): (forward: Value) => Value {
    const scope = this.#owner.get(value);
    if (scope !== undefined) this.#open(scope, grad);
    return (forward) => this.#copy(scope, forward);
  }

  /** Told of every gradient that flows from a value to one of its inputs. */
  flowed(from: Apply, to: Value): void {
    for (let scope = this.#owner.get(from); scope !== undefined; scope = scope.parent)
      if (!scope.owned.has(to)) scope.reached.add(to);
  }

  /** The differentiated scalar, with the values of segments marked `last` as the backward pass computes them. */
  last(value: Value): Value {
    const known = this.#last.get(value);
    if (known !== undefined) return known;
    const scope = this.#owner.get(value);
    let found = value;
    if (scope?.segment.last === true) found = this.#copy(scope, value);
    else if (scope === undefined && value.kind === "apply") {
      const inputs = value.inputs.map((each) => this.last(each));
      if (inputs.some((each, i) => each !== value.inputs[i])) found = { ...value, inputs };
    }
    this.#last.set(value, found);
    return found;
  }

  /**
   * The copies begin at gates, which wait for the first gradient, and for all gradients of the segment before: else the
   * runtime might compute all segments again, and hold them, before it looks for the second gradient of any.
   */
  #open(scope: Scope, grad: Value): void {
    if (scope.copies.size > 0) return;
    if (scope.parent !== undefined) this.#open(scope.parent, grad);
    const before = this.#before.get(scope.parent);
    this.#before.set(scope.parent, scope);
    const waited = [grad, ...(before === undefined ? [] : this.#resultsOf(before))].map(firstElement);
    const after = [...new Set(waited)].reduce((sum, each) => add(sum, each));
    for (const each of scope.segment.inputs) {
      const { dtype } = each.type;
      const ready = dtype === after.type.dtype ? after : cast(after, { to: dtype });
      // ONNX Runtime merges equal subexpressions, which would turn the second computation back into the first.
      scope.copies.set(each, gated(recomputeGate, this.#copy(scope.parent, each), ready));
    }
  }

  /** All that a segment's second computation is there for. */
  #resultsOf(scope: Scope): Value[] {
    const gradients = [...scope.reached].map(this.settle);
    const { output, last } = scope.segment;
    return last === true ? [this.#copy(scope, output), ...gradients] : gradients;
  }

  #copy(scope: Scope | undefined, value: Value): Value {
    if (scope === undefined) return value;
    const known = scope.copies.get(value);
    if (known !== undefined) return known;
    // The output of a segment is kept in any case, as whatever comes after it reads it.
    const kept = value === scope.segment.output && scope.segment.last !== true;
    if (value.kind !== "apply" || !scope.owned.has(value) || kept) return this.#copy(scope.parent, value);
    const copy: Value = { ...value, inputs: value.inputs.map((each) => this.#copy(scope, each)) };
    scope.copies.set(value, copy);
    return copy;
  }
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
  // A padded tensor is usually joined with its neighbours and never made, so its content is looked at.
  if (x.kind === "apply" && x.op === pad) return firstElement(x.inputs[0]!);
  const one = x.type.shape.reduce(
    (part, size, axis) => (size === 1 ? part : slice(part, { axis, start: 0, end: 1 })),
    x,
  );
  return reshape(one, { shape: [] });
}
