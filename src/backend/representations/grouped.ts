/**
 * The grouped pointwise convolution block of kphi-3 (Schwarz Schuler and Rojas Gómez, 2025): the sum of two
 * block-diagonal products, one on the channels in order, one on a fixed interleaving of the same channels.
 */
import * as z from "zod";
import { multiplyGrouped } from "./groupedProduct";
import dense, { requireFloats } from "./dense";
import { defineRepresentation, type Init, type MatrixSpec, createWeightSpec } from "./representation";

export const groupedInits = ["paper", "fan_in"] as const;

export interface GroupedOptions {
  readonly min_channels_per_group: number;
  /** `paper`: bound 1/√(n·o), as published; `fan_in`: 1/√n, as intended. n and o are the input and output channels of a group. */
  readonly init: (typeof groupedInits)[number];
}

/** The largest number of groups up to inputs / minimum that divides both inputs and outputs. Outputs per group have no minimum. */
export function findGroupCount(inputs: number, outputs: number, minChannelsPerGroup: number): number {
  let groups = Math.max(1, Math.min(inputs, outputs, Math.floor(inputs / minChannelsPerGroup)));
  while (inputs % groups !== 0 || outputs % groups !== 0) groups--;
  return groups;
}

/** The source of each interleaved channel: group a contains the channels equal to a modulo the number of groups. */
export function computeInterleaving(channels: number, groups: number): Int32Array {
  const width = channels / groups;
  return Int32Array.from({ length: channels }, (_, i) => (i % width) * groups + Math.floor(i / width));
}

/** Number of input-output pairs that both products connect, so that two stored scalars represent one weight. */
export function countOverlap(inputs: number, outputs: number, groups: number): number {
  const width = inputs / groups;
  const from = computeInterleaving(inputs, groups);
  let shared = 0;
  for (let i = 0; i < inputs; i++) if (Math.floor(from[i]! / width) === Math.floor(i / width)) shared++;
  return groups === 1 ? 0 : (shared * outputs) / groups;
}

const first = "first_pointwise_conv";
const second = "second_pointwise_conv";

/** A single group needs no interleaving; its block is one dense layer with another name. */
function toSingleGroup(matrix: MatrixSpec): MatrixSpec {
  return { ...matrix, name: `${matrix.name}.${first}.group_layers.0`, layout: "out_in" };
}

function computeSizes(matrix: MatrixSpec, options: GroupedOptions) {
  const groups = findGroupCount(matrix.inputs, matrix.outputs, options.min_channels_per_group);
  return { groups, n: matrix.inputs / groups, o: matrix.outputs / groups };
}

export default defineRepresentation<GroupedOptions>({
  title: "Grouped pointwise convolution",
  contents: "grouped projections",
  worth: "Two products of small groups reduce file size, memory and operations.",
  options: z.strictObject({
    min_channels_per_group: z.int().positive().describe("Minimum input channels per group."),
    init: z
      .enum(groupedInits)
      .default("paper")
      .describe("Bound of the initial weights: as published, or from the inputs per group."),
  }),
  refuses: (matrix) =>
    matrix.kind === "embedding" ? "an embedding is looked up by row and groups have no rows" : undefined,

  // The interleaving is determined by the number of channels and groups, so no index is stored.
  parameters: (matrix, options) => {
    const { groups, n, o } = computeSizes(matrix, options);
    if (groups === 1) return dense.parameters(toSingleGroup(matrix), {});
    const bound = 1 / Math.sqrt(options.init === "paper" ? n * o : n);
    const init: Init = { kind: "uniform", bound };
    return [first, second].map((block) => createWeightSpec(matrix, `${block}.weight`, [groups, n, o], init));
  },

  apply: (x, values, matrix, options) => {
    const { groups, n, o } = computeSizes(matrix, options);
    if (groups === 1) return dense.apply(x, values, toSingleGroup(matrix), {});
    const weight = (block: string) => values(`${matrix.name}.${block}.weight`);
    return multiplyGrouped(x, weight(first), weight(second), { rows: x.type.shape[0]!, groups, n, o });
  },

  materialize: (tensors, matrix, options) => {
    const { groups, n, o } = computeSizes(matrix, options);
    if (groups === 1) return dense.materialize(tensors, toSingleGroup(matrix), {});
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    const from = computeInterleaving(matrix.inputs, groups);
    for (const block of [first, second]) {
      const name = `${matrix.name}.${block}.weight`;
      const weight = requireFloats(name, tensors(name));
      for (let i = 0; i < matrix.inputs; i++) {
        const input = block === first ? i : from[i]!;
        const start = input * matrix.outputs + Math.floor(i / n) * o;
        for (let j = 0; j < o; j++) out[start + j]! += weight[i * o + j]!;
      }
    }
    return out;
  },
});
