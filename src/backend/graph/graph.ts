/** A graph is a set of named outputs; its inputs and nodes are the values they depend on. */
import type { Shape, Value } from "./op";

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

function formatShape(shape: Shape): string {
  return `[${shape.join(",")}]`;
}

/** Lists a graph for golden tests, one line per node: `%7 = matmul(%5, h.0.attn.weight) {transposeB: true} float32[8,16]`. */
export function formatListing(graph: Graph): string {
  const names = new Map<Value, string>();
  const lines: string[] = [];
  let next = 0;
  for (const value of sortTopologically(Object.values(graph.outputs))) {
    const type = `${value.type.dtype}${formatShape(value.type.shape)}`;
    if (value.kind === "input" || value.kind === "parameter") {
      names.set(value, value.name);
      lines.push(`${value.kind} ${value.name} ${type}`);
    } else if (value.kind === "constant") {
      const head = Array.from(value.data.slice(0, 4), String).join(" ");
      names.set(
        value,
        value.data.length === 1
          ? head
          : `const(${head}${value.data.length > 4 ? " …" : ""})${formatShape(value.type.shape)}`,
      );
    } else {
      const name = `%${next++}`;
      const attrs = Object.entries(value.attrs).map(([key, attr]) => `${key}: ${JSON.stringify(attr)}`);
      const call = `${value.op.name}(${value.inputs.map((each) => names.get(each)!).join(", ")})`;
      names.set(value, name);
      lines.push(`${name} = ${call}${attrs.length > 0 ? ` {${attrs.join(", ")}}` : ""} ${type}`);
    }
  }
  for (const [name, value] of Object.entries(graph.outputs))
    lines.push(`output ${name} = ${names.get(value)!}`);
  return lines.join("\n") + "\n";
}
