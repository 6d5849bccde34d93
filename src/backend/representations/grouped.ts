/**
 * The grouped pointwise convolution block of kphi-3 (Schwarz Schuler and Rojas Gómez, 2025): the sum of two
 * block-diagonal products, one on the channels in their order, one on a fixed interleaving of the same channels.
 */
import * as z from "zod";
import { groupedProduct } from "./groupedProduct";
import dense, { asFloats } from "./dense";
import { defineRepresentation, type Init, type MatrixSpec, weightSpec } from "./representation";

export const groupedInits = ["paper", "fan_in"] as const;

export interface GroupedOptions {
  readonly min_channels_per_group: number;
  /** `paper`: bound 1/√(n·o), as published; `fan_in`: 1/√n, as was meant. n and o are the channels of one group. */
  readonly init: (typeof groupedInits)[number];
}

/** The largest number of groups up to inputs / minimum that divides inputs and outputs. The outputs of a group have no minimum. */
export function groupCount(inputs: number, outputs: number, minChannelsPerGroup: number): number {
  let groups = Math.max(1, Math.min(inputs, outputs, Math.floor(inputs / minChannelsPerGroup)));
  while (inputs % groups !== 0 || outputs % groups !== 0) groups--;
  return groups;
}

/** Where each interleaved channel comes from: group a holds the channels that are a modulo the number of groups. */
export function interleaving(channels: number, groups: number): Int32Array {
  const width = channels / groups;
  return Int32Array.from({ length: channels }, (_, i) => (i % width) * groups + Math.floor(i / width));
}

/** Pairs of an input and an output that both products connect, so that two stored scalars stand for one. */
export function overlap(inputs: number, outputs: number, groups: number): number {
  const width = inputs / groups;
  const from = interleaving(inputs, groups);
  let shared = 0;
  for (let i = 0; i < inputs; i++) if (Math.floor(from[i]! / width) === Math.floor(i / width)) shared++;
  return groups === 1 ? 0 : (shared * outputs) / groups;
}

const first = "first_pointwise_conv";
const second = "second_pointwise_conv";

/** With a single group nothing is left to interleave, and the block is one dense layer under another name. */
function single(matrix: MatrixSpec): MatrixSpec {
  return { ...matrix, name: `${matrix.name}.${first}.group_layers.0`, layout: "out_in" };
}

function sizes(matrix: MatrixSpec, options: GroupedOptions) {
  const groups = groupCount(matrix.inputs, matrix.outputs, options.min_channels_per_group);
  return { groups, n: matrix.inputs / groups, o: matrix.outputs / groups };
}

export default defineRepresentation<GroupedOptions>({
  title: "Grouped pointwise convolution",
  worth: "Two products of small groups: file, memory and operations shrink together.",
  options: z.strictObject({
    min_channels_per_group: z.int().positive().describe("Fewest input channels of a group."),
    init: z
      .enum(groupedInits)
      .default("paper")
      .describe("Bound of the initial weights: as published, or from the inputs of a group."),
  }),
  refuses: (matrix) =>
    matrix.kind === "embedding" ? "an embedding is looked up by row, and groups have no rows" : undefined,

  // The interleaving follows from the number of channels and groups, so no index is stored.
  parameters: (matrix, options) => {
    const { groups, n, o } = sizes(matrix, options);
    if (groups === 1) return dense.parameters(single(matrix), {});
    const bound = 1 / Math.sqrt(options.init === "paper" ? n * o : n);
    const init: Init = { kind: "uniform", bound };
    return [first, second].map((block) => weightSpec(matrix, `${block}.weight`, [groups, n, o], init));
  },

  apply: (x, values, matrix, options) => {
    const { groups, n, o } = sizes(matrix, options);
    if (groups === 1) return dense.apply(x, values, single(matrix), {});
    const weight = (block: string) => values(`${matrix.name}.${block}.weight`);
    return groupedProduct(x, weight(first), weight(second), { rows: x.type.shape[0]!, groups, n, o });
  },

  materialise: (tensors, matrix, options) => {
    const { groups, n, o } = sizes(matrix, options);
    if (groups === 1) return dense.materialise(tensors, single(matrix), {});
    const out = new Float32Array(matrix.inputs * matrix.outputs);
    const from = interleaving(matrix.inputs, groups);
    for (const block of [first, second]) {
      const name = `${matrix.name}.${block}.weight`;
      const weight = asFloats(name, tensors(name));
      for (let i = 0; i < matrix.inputs; i++) {
        const input = block === first ? i : from[i]!;
        const start = input * matrix.outputs + Math.floor(i / n) * o;
        for (let j = 0; j < o; j++) out[start + j]! += weight[i * o + j]!;
      }
    }
    return out;
  },
});
