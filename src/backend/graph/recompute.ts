/**
 * Recomputation (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174): only the inputs of a segment are stored.
 * Its inner values are recomputed when the gradient arrives, so that memory grows with one segment instead of with all.
 * Segments may be nested: blocks of attention in a layer.
 */
import { type Apply, input, type Value } from "./op";
import { add, cast } from "./ops/elementwise";
import { waitFor } from "./ops/gate";
import { pad, reshape, slice } from "./ops/movement";

/** A part of the forward graph, such as a decoder layer, that depends on the rest only through `inputs` and parameters. */
export interface Segment {
  /** Values from which the segment is recomputed; every value in the segment depends on one of them. */
  readonly inputs: readonly Value[];
  readonly output: Value;
  /**
   * True if only the differentiated scalar depends on the segment, for example the loss of some tokens. Its first
   * computation is then skipped, and the scalar is read from the second (see `Recomputation.last`).
   */
  readonly last?: boolean;
}

/** Name of the boolean scalar input of a graph with recomputation. Always feed true. */
export const recomputeGateName = "recompute_gate";

/** The gate that all graphs share, because different values with the same name are an error. */
export const recomputeGate = input(recomputeGateName, [], "bool");

/** A segment with its parent and the copies made of its values so far. */
interface Scope {
  readonly segment: Segment;
  readonly parent: Scope | undefined;
  readonly owned: ReadonlySet<Value>;
  readonly copies: Map<Value, Value>;
  /** Values outside the segment that received gradients from inside it. */
  readonly reached: Set<Value>;
}

export class Recomputation {
  /** The innermost segment that a value belongs to. */
  readonly #owner = new Map<Value, Scope>();
  /** The segment of a parent that was recomputed most recently; the next one waits for its gradients. */
  readonly #before = new Map<Scope | undefined, Scope>();
  readonly #last = new Map<Value, Value>();
  /** The original of each copy that the backward pass recomputes. */
  readonly copies = new Map<Value, Value>();

  /** `settle` sums the gradients of a value so far and returns the latest one. */
  constructor(
    segments: readonly Segment[],
    private readonly settle: (value: Value) => Value,
  ) {
    const outermostFirst = segments
      .map((segment) => ({ segment, owned: new Set(collectValues(segment)) }))
      .sort((a, b) => b.owned.size - a.owned.size);
    for (const { segment, owned } of outermostFirst) {
      const parents = new Set([...owned].map((value) => this.#owner.get(value)));
      const [parent] = parents;
      if (parents.size !== 1 || parent?.owned.size === owned.size)
        throw new Error("Recomputed segments must be nested or disjoint.");
      const scope = { segment, parent, owned, copies: new Map<Value, Value>(), reached: new Set<Value>() };
      for (const value of owned) this.#owner.set(value, scope);
    }
  }

  /** Maps the forward values that the gradient of `value` reads to copies that wait for `grad`. */
  enter(value: Apply, grad: Value): (forward: Value) => Value {
    const scope = this.#owner.get(value);
    if (scope !== undefined) this.#open(scope, grad);
    return (forward) => this.#copy(scope, forward);
  }

  /** Records that a gradient flows from a value to one of its inputs. */
  recordFlow(from: Apply, to: Value): void {
    for (let scope = this.#owner.get(from); scope !== undefined; scope = scope.parent)
      if (!scope.owned.has(to)) scope.reached.add(to);
  }

  /** The differentiated scalar, computed from the backward pass's copies of segments marked `last`. */
  last(value: Value): Value {
    const cached = this.#last.get(value);
    if (cached !== undefined) return cached;
    const scope = this.#owner.get(value);
    let result = value;
    if (scope?.segment.last === true) result = this.#copy(scope, value);
    else if (scope === undefined && value.kind === "apply") {
      const inputs = value.inputs.map((each) => this.last(each));
      if (inputs.some((each, i) => each !== value.inputs[i])) result = { ...value, inputs };
    }
    this.#last.set(value, result);
    return result;
  }

  /**
   * Copies start at gates that wait for the first gradient and for all gradients of the previous segment. Otherwise the
   * runtime might recompute and hold all segments before it needs them.
   */
  #open(scope: Scope, grad: Value): void {
    if (scope.copies.size > 0) return;
    if (scope.parent !== undefined) this.#open(scope.parent, grad);
    const before = this.#before.get(scope.parent);
    this.#before.set(scope.parent, scope);
    const prerequisites = [grad, ...(before === undefined ? [] : this.#resultsOf(before))].map(
      takeFirstElement,
    );
    const after = [...new Set(prerequisites)].reduce((sum, each) => add(sum, each));
    for (const each of scope.segment.inputs) {
      const { dtype } = each.type;
      const ready = dtype === after.type.dtype ? after : cast(after, { to: dtype });
      // ONNX Runtime merges equal subexpressions, which would turn the second computation back into the first.
      const gated = waitFor(recomputeGate, this.#copy(scope.parent, each), ready);
      scope.copies.set(each, gated);
      this.copies.set(gated, each);
    }
  }

  /** The results of a segment's recomputation. */
  #resultsOf(scope: Scope): Value[] {
    const gradients = [...scope.reached].map(this.settle);
    const { output, last } = scope.segment;
    return last === true ? [this.#copy(scope, output), ...gradients] : gradients;
  }

  #copy(scope: Scope | undefined, value: Value): Value {
    if (scope === undefined) return value;
    const cached = scope.copies.get(value);
    if (cached !== undefined) return cached;
    // The output of a segment is stored anyway, because later values read it.
    const isStored = value === scope.segment.output && scope.segment.last !== true;
    if (value.kind !== "apply" || !scope.owned.has(value) || isStored) return this.#copy(scope.parent, value);
    const copy: Value = { ...value, inputs: value.inputs.map((each) => this.#copy(scope, each)) };
    scope.copies.set(value, copy);
    this.copies.set(copy, value);
    return copy;
  }
}

/** The values from a segment's inputs (excluded) to its output that depend on an input; other values are shared. */
function collectValues({ inputs, output }: Segment): Value[] {
  const depends = new Map<Value, boolean>(inputs.map((each) => [each, true]));
  const owned: Value[] = [];
  const visit = (value: Value): boolean => {
    const cached = depends.get(value);
    if (cached !== undefined) return cached;
    const reached = value.kind === "apply" && value.inputs.map(visit).includes(true);
    depends.set(value, reached);
    if (reached) owned.push(value);
    return reached;
  };
  if (!visit(output)) throw new Error("A recomputed segment's output does not depend on its inputs.");
  return owned;
}

function takeFirstElement(x: Value): Value {
  // A padded tensor is usually concatenated with others and never materialized, so this reads its content.
  if (x.kind === "apply" && x.op === pad) return takeFirstElement(x.inputs[0]!);
  const element = x.type.shape.reduce(
    (part, size, axis) => (size === 1 ? part : slice(part, { axis, start: 0, end: 1 })),
    x,
  );
  return reshape(element, { shape: [] });
}
