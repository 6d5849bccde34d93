import { describe, expect, it } from "vitest";
import grouped, {
  findGroupCount,
  computeInterleaving,
  countOverlap,
} from "../../../src/backend/representations/grouped";
import { drawTensors, createLookup } from "../../support/tensors";
import { createMatrixSpec } from "../../support/matrix";

const matrix = (inputs: number, outputs: number) =>
  createMatrixSpec(inputs, outputs, {
    role: "layers.0.self_attn.o_proj",
    name: "model.layers.0.self_attn.o_proj",
    purpose: "attention output",
  });

/** Every group count that the rule allows, as defined in the publication. */
function bruteForce(inputs: number, outputs: number, minimum: number): number {
  let best = 1;
  for (let groups = 1; groups <= Math.min(inputs, outputs); groups++)
    if (groups <= Math.floor(inputs / minimum) && inputs % groups === 0 && outputs % groups === 0)
      best = groups;
  return best;
}

describe("the group rule", () => {
  it("agrees with a search of all group counts, for all sizes up to 64 and all minima", () => {
    for (let inputs = 1; inputs <= 64; inputs++)
      for (let outputs = 1; outputs <= 64; outputs++)
        for (const minimum of [1, 2, 3, 4, 7, 8, 16, 31, 32, 64, 65])
          if (findGroupCount(inputs, outputs, minimum) !== bruteForce(inputs, outputs, minimum))
            expect.unreachable(`${inputs} to ${outputs} with at least ${minimum}`);
  });

  it("gives the published layers their published groups", () => {
    expect(findGroupCount(3072, 9216, 256)).toBe(12);
    expect(findGroupCount(3072, 3072, 256)).toBe(12);
    expect(findGroupCount(3072, 2 * 9216, 256)).toBe(12);
    expect(findGroupCount(9216, 3072, 256)).toBe(32);
    // The width of the dense model divides the feed-forward layer poorly.
    expect(findGroupCount(3072, 2 * 8192, 256)).toBe(8);
  });
});

describe("the interleaving", () => {
  it("is a permutation that the swapped step reverts", () => {
    for (const [channels, groups] of [
      [12, 3],
      [24, 4],
      [96, 8],
      [7, 1],
    ] as const) {
      const there = computeInterleaving(channels, groups);
      const back = computeInterleaving(channels, channels / groups);
      expect([...there].sort((a, b) => a - b)).toEqual(Array.from({ length: channels }, (_, i) => i));
      expect(Array.from(back, (i) => there[i])).toEqual(Array.from({ length: channels }, (_, i) => i));
    }
  });

  it("puts the channels congruent to a modulo the groups into group a", () => {
    expect(Array.from(computeInterleaving(12, 3))).toEqual([0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  });
});

describe("the block", () => {
  const sizes = [
    [24, 36, 6],
    [64, 192, 16],
    [96, 288, 32],
    [192, 64, 16],
  ] as const;

  it.each(sizes)(
    "%i to %i with at least %i channels stores 2·C·O/g scalars, minus the overlap if dense",
    (inputs, outputs, minimum) => {
      const spec = matrix(inputs, outputs);
      const options = { min_channels_per_group: minimum, init: "paper" } as const;
      const groups = findGroupCount(inputs, outputs, minimum);
      const counts = grouped.count(spec, options);
      expect(counts.stored).toBe((2 * inputs * outputs) / groups);
      const tensors = drawTensors(grouped.parameters(spec, options), 5);
      const dense = grouped.materialize(createLookup(tensors), spec, options);
      expect(dense.filter((each) => each !== 0).length).toBe(
        counts.stored - countOverlap(inputs, outputs, groups),
      );
    },
  );

  it("overlaps like the published layers", () => {
    const perLayer =
      countOverlap(3072, 9216, 12) +
      countOverlap(3072, 3072, 12) +
      countOverlap(3072, 18432, 12) +
      countOverlap(9216, 3072, 32);
    expect(perLayer).toBe(688_128);
  });

  it("starts within the published bound, or the intended one", () => {
    const bounds = (init: "paper" | "fan_in") =>
      grouped
        .parameters(matrix(3072, 9216), { min_channels_per_group: 256, init })
        .map((spec) => (spec.init.kind === "uniform" ? spec.init.bound : NaN));
    for (const bound of bounds("paper")) expect(bound).toBeCloseTo(0.00226, 5);
    for (const bound of bounds("fan_in")) expect(bound).toBe(1 / 16);
  });

  it("is one dense layer if only one group fits", () => {
    const spec = matrix(16, 8);
    const options = { min_channels_per_group: 16, init: "paper" } as const;
    const [only, ...others] = grouped.parameters(spec, options);
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      name: "model.layers.0.self_attn.o_proj.first_pointwise_conv.group_layers.0.weight",
      shape: [8, 16],
      init: spec.init,
    });
    expect(grouped.count(spec, options).stored).toBe(128);
  });
});
