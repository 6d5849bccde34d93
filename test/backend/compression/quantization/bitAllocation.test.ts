/** Bits within a budget: as good as an exhaustive search, and never worse than equal bits for all. */
import { describe, expect, it, vi } from "vitest";
import { allocateBits, type Choice } from "../../../../src/backend/compression/quantization/bitAllocation";
import mixed from "../../../../src/backend/methods/mixed";
import { useGrammar } from "../../../support/grammar";
import { createLabWithText } from "../../../support/lab";
import { createUniform } from "../../../support/sampleValues";
import { applied, correlated, labWithInputs, sizesOf, tiny } from "../../methods/shrinkSamples";

const total = (matrices: readonly (readonly Choice[])[], taken: readonly number[]) => ({
  bits: taken.reduce((sum, which, i) => sum + matrices[i]![which]!.bits, 0),
  cost: taken.reduce((sum, which, i) => sum + matrices[i]![which]!.cost, 0),
});

/** Every combination. */
function tried(matrices: readonly (readonly Choice[])[], budget: number): number {
  let best = Infinity;
  const visit = (i: number, bits: number, cost: number): void => {
    if (bits > budget) return;
    if (i === matrices.length) best = Math.min(best, cost);
    else for (const each of matrices[i]!) visit(i + 1, bits + each.bits, cost + each.cost);
  };
  visit(0, 0, 0);
  return best;
}

describe("the allocation", () => {
  const random = createUniform(9);
  const widths = [2, 3, 4, 8];
  const draw = (count: number) =>
    Array.from({ length: count }, () => {
      const size = 1 + Math.floor(6 * random());
      return widths.map((bits): Choice => ({ bits: bits * size, cost: random() }));
    });

  it("costs the same as the best of all combinations within the budget", () => {
    for (let time = 0; time < 60; time++) {
      const matrices = draw(1 + (time % 8));
      const least = matrices.reduce((sum, each) => sum + each[0]!.bits, 0);
      const most = matrices.reduce((sum, each) => sum + each.at(-1)!.bits, 0);
      const budget = Math.floor(least + random() * (most - least));
      const found = total(matrices, allocateBits(matrices, budget)!);
      expect(found.bits).toBeLessThanOrEqual(budget);
      expect(found.cost).toBeCloseTo(tried(matrices, budget), 12);
    }
  });

  it("is missing if the budget does not allow even the smallest", () => {
    expect(allocateBits(draw(3), 1)).toBeUndefined();
    expect(allocateBits([], 0)).toEqual([]);
  });
});

const grammar = useGrammar();

it("by loss compiles one program for all evaluations, and reports their number", async () => {
  const compile = vi.spyOn(grammar.engine, "compile");
  const said: string[] = [];
  await using tools = createLabWithText(grammar.engine, grammar.data, { log: (line) => said.push(line) });
  const model = tiny("gpt2");
  const given = {
    bits: 4,
    sensitivity: "loss",
    choices: [2, 4, 8],
    residual: 1,
    calibration: { samples: 4 },
  };
  // A part of a packed matrix is a target, too.
  const targets = ["layers.0.self_attn.q_proj", "layers.*.mlp.*"];
  const after = await mixed.apply(model, mixed.options.parse({ ...given, targets }), tools);
  expect(Object.keys(after.shape.representations)).toHaveLength(5);
  expect(compile).toHaveBeenCalledTimes(1);
  compile.mockRestore();
  expect(said.join()).toMatch(/evaluates the model 16 times on up to 4 validation sequences/);
});

describe("mixed precision", () => {
  const before = tiny();
  const [inputs] = sizesOf(before);
  const lab = labWithInputs(correlated(60, inputs, 7), inputs);
  const bitsOf = async (given: object) => {
    const after = await applied(
      mixed,
      { targets: "layers.*.mlp.up_proj", sensitivity: "output", ...given },
      before,
      lab,
    );
    return Object.values(after.shape.representations).map(
      ({ options }) => (options as { bits: number }).bits,
    );
  };

  it("gives every matrix the same bits if there is no choice, and keeps the mean", async () => {
    expect(await bitsOf({ bits: 4, choices: [4] })).toEqual([4, 4]);
    const mixedBits = await bitsOf({ bits: 5, choices: [2, 8] });
    expect(mixedBits.sort()).toEqual([2, 8]);
  });

  it("refuses fewer bits than every choice", () => {
    expect(() => mixed.options.parse({ bits: 3, choices: [4, 8] })).toThrow(/at least 4/);
  });
});
