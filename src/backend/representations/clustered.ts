/** A matrix of shared weights: k centroids, and the index of a centroid for each weight. */
import * as z from "zod";
import type { Value } from "../graph/op";
import { cast, sub } from "../graph/ops/elementwise";
import { constant } from "../graph/op";
import { gather } from "../graph/ops/indexing";
import { matmul } from "../graph/ops/matmul";
import { transpose } from "../graph/ops/movement";
import { requireFloats } from "./dense";
import {
  defineRepresentation,
  type MatrixSpec,
  scalarBits,
  type ValueSource,
  createWeightSpec,
} from "./representation";

export interface ClusteredOptions {
  readonly clusters: number;
}

export const clustersName = (matrix: MatrixSpec): string => `${matrix.name}.weight_clusters`;
export const centroidsName = (matrix: MatrixSpec): string => `${matrix.name}.weight_centroids`;

/** The code of cluster 0, so that 256 clusters fit in a signed byte. */
export const firstCode = -128;

/** Bits of a cluster index. */
export const countClusterBits = (clusters: number): number => Math.max(1, Math.ceil(Math.log2(clusters)));

/** [inputs, outputs] */
function buildDenseValue(values: ValueSource, matrix: MatrixSpec): Value {
  const codes = cast(values(clustersName(matrix)), { to: "int32" });
  return gather(values(centroidsName(matrix)), sub(codes, constant(Int32Array.of(firstCode), [])));
}

export default defineRepresentation<ClusteredOptions>({
  title: "Clustered",
  contents: "clustered weights",
  worth:
    "Each index takes one byte in memory and a few bits in a packed file. Weights are looked up before each product, so it saves no time.",
  options: z.strictObject({
    clusters: z.int().min(1).max(256).default(16).describe("Number of distinct values in the matrix."),
  }),
  parameters: (matrix, { clusters }) => [
    {
      ...createWeightSpec(matrix, "weight_clusters", [matrix.inputs, matrix.outputs], { kind: "zeros" }),
      dtype: "int8",
      packing: { integers: { bits: countClusterBits(clusters), lowest: firstCode } },
      trainable: false,
      decay: false,
    },
    // Frozen: the method that finds the clusters does not train them.
    { ...createWeightSpec(matrix, "weight_centroids", [clusters]), trainable: false, decay: false },
  ],
  apply: (x, values, matrix) => matmul(x, buildDenseValue(values, matrix)),
  dense: (values, matrix) => {
    const weight = buildDenseValue(values, matrix);
    return matrix.layout === "in_out" ? weight : transpose(weight, { perm: [1, 0] });
  },
  materialize: (tensors, matrix) => {
    const centroids = requireFloats(centroidsName(matrix), tensors(centroidsName(matrix)));
    const codes = tensors(clustersName(matrix)) as Int8Array;
    return Float32Array.from(codes, (code) => centroids[code - firstCode]!);
  },
  count: ({ inputs, outputs }, { clusters }) => {
    const stored = inputs * outputs + clusters;
    return {
      trainable: 0,
      stored,
      nonZero: stored,
      bits: inputs * outputs * countClusterBits(clusters) + clusters * scalarBits,
    };
  },
});
