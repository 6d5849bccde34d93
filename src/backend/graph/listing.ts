/** Lists graphs as text, for golden tests and for reading. */
import { bodyOf, type CompositeCall, findSelection, isCall } from "./composite";
import { type Graph, sortTopologically } from "./graph";
import type { Attrs, TensorType, Value } from "./op";

const formatType = ({ dtype, shape }: TensorType): string => `${dtype}[${shape.join(",")}]`;

function formatAttrs(attrs: Attrs): string {
  const entries = Object.entries(attrs).map(([key, attr]) => `${key}: ${JSON.stringify(attr)}`);
  return entries.length > 0 ? ` {${entries.join(", ")}}` : "";
}

/**
 * Lists a graph, one line per node: `%7 = matmul(%5, h.0.attn.weight) {transposeB: true} float32[8,16]`. A later output of
 * a call is `%7.1`. The bodies of composites follow the graph, each as in its first call.
 */
export function formatListing(graph: Graph): string {
  const bodies = new Map<string, CompositeCall>();
  const lines = listValues(graph.outputs, bodies);
  for (const [name, call] of bodies) {
    const outputs = bodyOf(call).outputs.map((output, i) => [String(i), output] as const);
    const body = listValues(Object.fromEntries(outputs), bodies);
    lines.push("", `body of ${name}${formatAttrs(call.attrs)}`, ...body.map((line) => `  ${line}`));
  }
  return lines.join("\n") + "\n";
}

/** Appends to `bodies` the first call of each composite. */
function listValues(outputs: Graph["outputs"], bodies: Map<string, CompositeCall>): string[] {
  const names = new Map<Value, string>();
  const lines: string[] = [];
  let next = 0;
  for (const value of sortTopologically(Object.values(outputs))) {
    const selection = findSelection(value);
    if (value.kind === "input" || value.kind === "parameter") {
      names.set(value, value.name);
      lines.push(`${value.kind} ${value.name} ${formatType(value.type)}`);
    } else if (value.kind === "constant") {
      const head = Array.from(value.data.slice(0, 4), String).join(" ");
      const shape = `[${value.type.shape.join(",")}]`;
      names.set(
        value,
        value.data.length === 1 ? head : `const(${head}${value.data.length > 4 ? " …" : ""})${shape}`,
      );
    } else if (selection !== undefined) {
      names.set(value, `${names.get(selection.call)!}.${selection.index}`);
    } else {
      const name = `%${next++}`;
      if (isCall(value) && !bodies.has(value.op.name)) bodies.set(value.op.name, value);
      const call = `${value.op.name}(${value.inputs.map((each) => names.get(each)!).join(", ")})`;
      names.set(value, name);
      lines.push(`${name} = ${call}${formatAttrs(value.attrs)} ${formatType(value.type)}`);
    }
  }
  for (const [name, value] of Object.entries(outputs)) lines.push(`output ${name} = ${names.get(value)!}`);
  return lines;
}
