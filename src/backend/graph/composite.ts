/**
 * Composite operations: operations that are functions of others, such as attention, AdamW or the gradient of a norm.
 * The body is the definition, and the name is a hint: an executor with a kernel of that name may call it, and every other
 * executor runs the body. A call is one node of a graph and may have several outputs.
 */
import { sortTopologically } from "./graph";
import {
  type AnyComposite,
  type AnyOp,
  type Apply,
  type Attrs,
  type Call,
  type CompositeDefinition,
  createCallable,
  input,
  type Inputs,
  type NoAttrs,
  type OpDefinition,
  type TensorType,
  type Value,
} from "./op";

export type Composite<In extends Inputs, A extends Attrs = NoAttrs> = CompositeDefinition<In, A> &
  Call<In, A>;

export function defineComposite<In extends Inputs, A extends Attrs = NoAttrs>(
  definition: CompositeDefinition<In, A>,
): Composite<In, A> {
  const op: Composite<In, A> = createCallable<In, A, CompositeDefinition<In, A>>(
    definition,
    (types, attrs) => getBody(op, types, attrs).outputs[0]!.type,
  );
  return op;
}

export function isComposite(op: AnyOp): op is AnyComposite {
  return "body" in op;
}

/** A call of a composite in a graph. */
export type CompositeCall = Apply & { readonly op: AnyComposite };

export function isCall(value: Value): value is CompositeCall {
  return value.kind === "apply" && isComposite(value.op);
}

/** The body of a composite for inputs of some types, as a function of the values `inputs`. */
export interface Body {
  /** Named x0, x1, …; the outputs need not read all of them. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** The body of a call. Calls with the same types and attributes share one. */
export function bodyOf({ op, inputs, attrs }: CompositeCall): Body {
  return getBody(
    op,
    inputs.map(({ type }) => type),
    attrs,
  );
}

const bodies = new WeakMap<object, Map<string, Body>>();

function getBody(op: Pick<AnyComposite, "body">, types: readonly TensorType[], attrs: Attrs): Body {
  const bySignature = bodies.get(op) ?? new Map<string, Body>();
  bodies.set(op, bySignature);
  const key = JSON.stringify([types.map(({ dtype, shape }) => [dtype, shape]), attrs]);
  const cached = bySignature.get(key);
  if (cached !== undefined) return cached;
  const inputs = types.map(({ dtype, shape }, i) => input(`x${i}`, shape, dtype));
  const body = { inputs, outputs: op.body(inputs, attrs) };
  bySignature.set(key, body);
  return body;
}

/** An output of a call by its number. */
export function outputOf(call: Value, index: number): Value {
  if (!isCall(call)) throw new Error("Only a call of a composite has several outputs.");
  const output = bodyOf(call).outputs[index];
  if (output === undefined) throw new Error(`${call.op.name} has no output ${index}.`);
  if (index === 0) return call;
  return { kind: "apply", op: selectOutput, inputs: [call], attrs: { index }, type: output.type };
}

/** The call and the number of the output that a value is; undefined if it is not an output of a call after the first. */
export function findSelection(
  value: Value,
): { readonly call: CompositeCall; readonly index: number } | undefined {
  if (value.kind !== "apply" || value.op !== selectOutput) return undefined;
  const [call] = value.inputs as readonly [CompositeCall];
  return { call, index: (value.attrs as { index: number }).index };
}

const refuse = (): never => {
  throw new Error("Composites must be expanded first.");
};

/** Selects an output of a call. Executors treat it as a part of the call. */
const selectOutput: OpDefinition<[Value], { index: number }> = {
  name: "output",
  onnx: refuse,
  infer: refuse,
  gradient: "stop",
  evaluate: refuse,
  samples: [],
};

/** Copies the values that `outputs` depend on, with other values in place of the keys of `replacements`. */
export function substitute(
  outputs: readonly Value[],
  replacements: ReadonlyMap<Value, Value>,
  visit: (value: Apply, inputs: readonly Value[]) => Value = (value, inputs) => ({ ...value, inputs }),
): Value[] {
  const results = new Map<Value, Value>();
  for (const value of sortTopologically(outputs)) {
    const replacement = replacements.get(value);
    if (replacement !== undefined || value.kind !== "apply") results.set(value, replacement ?? value);
    else
      results.set(
        value,
        visit(
          value,
          value.inputs.map((each) => results.get(each)!),
        ),
      );
  }
  return outputs.map((output) => results.get(output)!);
}
