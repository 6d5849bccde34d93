/** A graph is a set of named outputs; its inputs and nodes are the values they depend on. */
import type { ConstantData, TensorType, Value } from "./op";

export interface Graph {
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Sorts all values that the outputs depend on, inputs first, in a stable order. Iterative, since graphs can be deeper than the call stack. */
export function sortTopologically(outputs: Iterable<Value>): Value[] {
  const order: Value[] = [];
  const seen = new Set<Value>();
  for (const output of outputs) {
    const pending: { value: Value; next: number }[] = [];
    const visit = (value: Value) => {
      if (seen.has(value)) return;
      seen.add(value);
      pending.push({ value, next: 0 });
    };
    visit(output);
    for (let top = pending.at(-1); top !== undefined; top = pending.at(-1)) {
      const inputs = top.value.kind === "apply" ? top.value.inputs : [];
      const child = inputs[top.next++];
      if (child !== undefined) visit(child);
      else order.push(pending.pop()!.value);
    }
  }
  return order;
}

export type NamedValue = Extract<Value, { kind: "input" | "parameter" }>;

/** The inputs and parameters that a graph reads. Throws if two different values have the same name. */
export function listInputs(graph: Graph): NamedValue[] {
  const inputs = new Map<string, NamedValue>();
  for (const value of sortTopologically(Object.values(graph.outputs))) {
    if (value.kind !== "input" && value.kind !== "parameter") continue;
    if (inputs.has(value.name)) throw new Error(`The graph has two different values named ${value.name}.`);
    inputs.set(value.name, value);
  }
  return [...inputs.values()];
}

/** A key that is equal for constants with equal content; undefined for large constants, which are not compared. */
export function computeContentKey({ dtype, shape }: TensorType, data: ConstantData): string | undefined {
  if (data.byteLength > 64) return undefined;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return `${dtype}[${shape.join(",")}]${bytes.toString("hex")}`;
}
