/** Estimates the cost of a graph without running it: floating-point operations and peak memory. */
import type { CompositeCall } from "./composite";
import { expandComposites } from "./expand";
import { type Graph, sortTopologically } from "./graph";
import { type Apply, sizeOf, type TensorType, type Value } from "./op";
import { affineOp, matmulOp, type MatmulAttrs } from "./ops/matmul";
import { reshape } from "./ops/movement";
import { softmaxMatmul } from "./ops/normalization";

const elementBytes = {
  float32: 4,
  float64: 8,
  int8: 1,
  int4: 0.5,
  uint8: 1,
  int32: 4,
  int64: 8,
  bool: 1,
} as const;

export function computeBytes({ dtype, shape }: TensorType): number {
  return sizeOf(shape) * elementBytes[dtype];
}

/** Floating-point operations of the matrix products that the graph computes; a multiply-add counts as two. */
export function countProductFlops(graph: Graph): number {
  return countPrimitiveFlops(expandComposites(graph));
}

/**
 * The same with all scores of causal attention, also those that are masked and skipped: the convention by which models are
 * compared, which does not depend on how attention is computed.
 */
export function countModelProductFlops(graph: Graph): number {
  const replaceCall = (call: CompositeCall): CompositeCall =>
    call.attrs["causal"] === true ? { ...call, attrs: { ...call.attrs, causal: false } } : call;
  return countPrimitiveFlops(expandComposites(graph, { replaceCall }));
}

function countPrimitiveFlops(graph: Graph): number {
  return sortTopologically(Object.values(graph.outputs)).reduce(
    (total, value) => total + (value.kind === "apply" ? countValueFlops(value) : 0),
    0,
  );
}

/** Floating-point operations of one matrix product; 0 for any other operation. */
export function countValueFlops(value: Apply): number {
  return 2 * getInnerSize(value) * sizeOf(value.type.shape);
}

/** Inner dimension of a matrix product; 0 for any other operation. */
function getInnerSize({ op, inputs: [a], attrs }: Apply): number {
  if (op === softmaxMatmul) return a!.type.shape.at(-1)!;
  if (op !== matmulOp && op !== affineOp) return 0;
  return a!.type.shape.at((attrs as MatmulAttrs).transposeA ? -2 : -1)!;
}

export interface MemoryEstimate {
  /** Bytes of inputs that persist between runs: weights, optimizer moments. */
  readonly state: number;
  /** Peak bytes of intermediate values and outputs. */
  readonly working: number;
}

/**
 * Estimates memory, assuming that values are computed in the order of the listing and freed after their last use.
 * `state` maps outputs to the inputs that they replace; with `inPlace`, these outputs need no memory of their own.
 */
export function estimateMemory(
  calls: Graph,
  state: Readonly<Record<string, string>> = {},
  inPlace = true,
): MemoryEstimate {
  const graph = expandComposites(calls);
  const order = sortTopologically(Object.values(graph.outputs));
  const owner = (value: Value): Value =>
    value.kind === "apply" && value.op === reshape ? owner(value.inputs[0]!) : value;
  const lastUse = new Map<Value, number>();
  order.forEach((value, at) => {
    if (value.kind === "apply") for (const input of value.inputs) lastUse.set(owner(input), at);
  });
  for (const value of Object.values(graph.outputs)) lastUse.set(owner(value), Infinity);
  const replacing = new Set(inPlace ? Object.keys(state).map((output) => graph.outputs[output]!) : []);

  const stateNames = new Set(Object.values(state));
  let resident = 0;
  let alive = 0;
  let peak = 0;
  const freedAt = new Map<number, number>();
  order.forEach((value, at) => {
    if (value.kind === "input" || value.kind === "parameter") {
      if (stateNames.has(value.name) || value.kind === "parameter") resident += computeBytes(value.type);
      return;
    }
    if (value.kind === "apply" && value.op !== reshape && !replacing.has(value)) {
      const bytes = computeBytes(value.type);
      alive += bytes;
      peak = Math.max(peak, alive);
      const end = lastUse.get(value) ?? at;
      if (end !== Infinity) freedAt.set(end, (freedAt.get(end) ?? 0) + bytes);
    }
    alive -= freedAt.get(at) ?? 0;
  });
  return { state: resident, working: peak };
}
