/** Assigns each value of a training step to a part of the model, through the weights that it is computed with. */
import { sortTopologically } from "../graph/graph";
import type { Value } from "../graph/op";
import { gather } from "../graph/ops/indexing";
import { biasRole, isPieceRole } from "../models/biases";
import { listMatrixSlots, type ModelShape, parametersOf, tensorsOf } from "../models/model";
import type { MatrixSpec, Purpose } from "../representations/representation";
import type { TrainStepGraph } from "../training/trainStep";

/** `loss` includes the head. */
export const stepParts = ["embeddings", "attention", "feed-forward", "norms", "loss", "optimizer"] as const;
export type StepPart = (typeof stepParts)[number];

const partOfPurpose: Readonly<Record<Exclude<Purpose, "packed">, StepPart>> = {
  "token embedding": "embeddings",
  "position embedding": "embeddings",
  "type embedding": "embeddings",
  query: "attention",
  key: "attention",
  value: "attention",
  "attention output": "attention",
  gate: "feed-forward",
  up: "feed-forward",
  down: "feed-forward",
  head: "loss",
};

/**
 * The part of each value. A forward value that reads a weight belongs to the weight's part, any other to the part of its latest
 * input. A value of the backward pass belongs to the part of the forward value that it is a gradient or recomputation of.
 * Everything else is the update of the weights.
 */
export function assignStepParts(shape: ModelShape, graph: TrainStepGraph): ReadonlyMap<Value, StepPart> {
  const partOfWeight = mapWeightsToParts(shape);
  const parts = new Map<Value, StepPart>();
  const weights = new Set<Value>();
  const { origins } = graph;
  const forward = sortTopologically([graph.outputs.loss!, ...origins.values()]).filter(
    (value) => !origins.has(value),
  );
  const position = new Map(forward.map((value, i) => [value, i]));
  for (const value of forward) {
    const named =
      value.kind === "parameter" || value.kind === "input" ? partOfWeight.get(value.name) : undefined;
    const part =
      named ?? (value.kind === "apply" ? findForwardPart(value.inputs, value.op === gather) : undefined);
    if (part !== undefined) parts.set(value, part);
    if (named !== undefined || isMadeOfWeights(value)) weights.add(value);
  }
  // What depends on no weight, such as the mask, belongs to its first reader.
  for (const value of forward.toReversed())
    if (value.kind === "apply" && parts.has(value))
      for (const input of value.inputs)
        if (input.kind === "apply" && !parts.has(input)) parts.set(input, parts.get(value)!);
  const order = sortTopologically(Object.values(graph.outputs));
  for (const value of order) {
    if (value.kind !== "apply" || parts.has(value)) continue;
    parts.set(value, parts.get(origins.get(value)!) ?? "optimizer");
  }
  return parts;

  function isMadeOfWeights(value: Value): boolean {
    if (value.kind !== "apply") return false;
    const variable = value.inputs.filter(({ kind }) => kind !== "constant");
    return variable.length > 0 && variable.every((each) => weights.has(each));
  }

  function findForwardPart(inputs: readonly Value[], isLookup: boolean): StepPart | undefined {
    const read = inputs.find((each) => weights.has(each));
    const part = read && parts.get(read);
    // A product with a tied table of embeddings is the head.
    if (part !== undefined)
      return part === "embeddings" && !isLookup && inputs.some(isComputedHidden) ? "loss" : part;
    const known = inputs.filter((each) => parts.has(each));
    const latest = known.toSorted((a, b) => position.get(b)! - position.get(a)!)[0];
    return latest && parts.get(latest);
  }

  function isComputedHidden(value: Value): boolean {
    const part = parts.get(value);
    return part !== undefined && part !== "embeddings";
  }
}

function mapWeightsToParts(shape: ModelShape): ReadonlyMap<string, StepPart> {
  const matrices = listMatrixSlots(shape).map(({ matrix }) => matrix);
  const norms = new Set(tensorsOf(shape).map(({ name }) => name));
  return new Map(
    parametersOf(shape).flatMap(({ name, role }) => {
      if (norms.has(name)) return [[name, "norms"] as const];
      const matrix = matrices.find((each) => belongsTo(each, role));
      return matrix === undefined ? [] : [[name, getMatrixPart(matrix)] as const];
    }),
  );
}

function belongsTo(matrix: MatrixSpec, role: string): boolean {
  const roles = [matrix.role, ...(matrix.parts ?? []).map((part) => part.role)];
  return roles.some((each) => each === role || isPieceRole(role, each) || biasRole({ role: each }) === role);
}

function getMatrixPart({ purpose, parts = [] }: MatrixSpec): StepPart {
  if (purpose !== "packed") return partOfPurpose[purpose];
  const [first] = parts;
  return first === undefined || first.purpose === "packed" ? "feed-forward" : partOfPurpose[first.purpose];
}
