/** What the formats with an ONNX graph share: the weights that it stores, inputs of token ids, and graphs for inputs of any size. */
import { type DynamicAxis, mergeSizes } from "../graph/dynamicOnnx";
import type { Graph } from "../graph/graph";
import { buildModel, type OnnxModel } from "../graph/onnx";
import { type ConstantData, input, type Shape, type Value } from "../graph/op";
import { int } from "../graph/functions";
import { cast, greater, sub, where } from "../graph/ops/elementwise";
import { cumulativeSum } from "../graph/ops/reduction";
import { listInferenceParameters, toInferenceTensors } from "../models/inference";
import { familyOf, type ModelShape } from "../models/model";
import type { FileOperators } from "../representations/representation";
import type { ExportSubject } from "./exporter";
import { removeMasks } from "./removeMasks";

export interface GraphFormat {
  readonly operators: FileOperators;
  /** Writes composite operations as functions of the domain `lathe`. */
  readonly functions: boolean;
}

export type GraphWeights = ReadonlyMap<string, ConstantData>;

/** The model without masks, and the tensors that its graph reads. */
export function collectGraphWeights(
  subject: Pick<ExportSubject, "shape" | "tensors">,
  operators: FileOperators,
): { readonly shape: ModelShape; readonly weights: GraphWeights } {
  const { shape, tensors } = removeMasks(subject);
  const weights = new Map(
    [...toInferenceTensors(shape, tensors, operators)].map(([name, { data }]) => [name, data]),
  );
  const missing = listInferenceParameters(shape, operators).find(({ name }) => !weights.has(name));
  if (missing !== undefined) throw new Error(`The model has no tensor ${missing.name}.`);
  return { shape, weights };
}

export function encodeGraph(
  graph: Graph,
  { operators, functions }: GraphFormat,
  weights: GraphWeights,
  sharesConstants = true,
): OnnxModel {
  const packed = operators === "microsoft";
  return buildModel(graph, { portable: true, packed, functions, weights, sharesConstants });
}

/** Builds the graph at each size of the axes and merges the results into one with dynamic axes. */
export function encodeDynamicGraph(
  axes: readonly DynamicAxis[],
  buildGraph: (sample: number) => Graph,
  format: GraphFormat,
  weights: GraphWeights,
): OnnxModel {
  const models = [0, 1, 2].map((sample) => encodeGraph(buildGraph(sample), format, weights, false));
  return mergeSizes(models, axes);
}

/** Sizes that are unlikely to be factors of the sizes of a model, for the samples of a dynamic axis. */
export const batchSamples: readonly number[] = [5, 7, 11];
const [timeSamples, shortTimeSamples] = [
  [7, 11, 13],
  [3, 4, 2],
] as const;

/** The samples of the sequence length of a model with so many positions; undefined if it has too few. */
export function chooseTimeSamples(context: number): readonly number[] | undefined {
  return [timeSamples, shortTimeSamples].find((samples) => Math.max(...samples) <= context);
}

export function createIdsInput(name: string, size: Shape, type: "int64" | "int32" = "int64"): Value {
  const value = input(name, size, type);
  return type === "int32" ? value : cast(value, { to: "int32" });
}

/** The positions of tokens that a model counts by itself: those that the mask [batch, time] keeps, or all of a text. */
export function countPositions({ family }: Pick<ModelShape, "family">, mask: Value): { positions?: Value } {
  // Most encoders count padding too, as transformers does: without positions they are 0, 1, 2, …
  const { mask: kind, skipsPadding } = familyOf(family);
  if (kind !== "causal" && skipsPadding !== true) return {};
  const counted = sub(cumulativeSum(mask, { axis: 1 }), int(1));
  // 0 for padding on the left.
  return { positions: where(greater(counted, int(0)), counted, int(0)) };
}
