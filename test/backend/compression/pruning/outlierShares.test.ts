/** OWL: the formulas in PyTorch, exact totals, and masks with an exact number of weights. */
import { describe, expect, it } from "vitest";
import { maskCount } from "../../../../src/backend/compression/pruning/maskCount";
import {
  measureOutliers,
  roundToTotal,
  shareByOutliers,
} from "../../../../src/backend/compression/pruning/outlierShares";
import magnitude from "../../../../src/backend/methods/magnitude";
import wanda from "../../../../src/backend/methods/wanda";
import { countModel } from "../../../../src/backend/models/accounting";
import reference from "../../../fixtures/pruning.json";
import { useGrammar } from "../../../support/grammar";
import { createLabWithText } from "../../../support/lab";
import { createMatrixSpec } from "../../../support/matrix";
import { createUniform } from "../../../support/sampleValues";
import { createTinyShape, drawModelTensors } from "../../../support/subject";

const grammar = useGrammar();
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, each) => total + each, 0);

it.each(reference.owl)(
  "shares a sparsity of $sparsity over layers as the authors' code",
  ({ scores, sparsity, limit, spread, outliers, sparsities }) => {
    const own = scores.map((each) => measureOutliers([each], limit));
    own.forEach((each, layer) => expect(each).toBeCloseTo(outliers[layer]!, 5));
    const equal = scores.map(() => 1);
    shareByOutliers(own, equal, sparsity, spread).forEach((each, layer) =>
      expect(each).toBeCloseTo(sparsities[layer]!, 5),
    );
  },
);

describe("the sparsity of layers", () => {
  it.each([
    [[1, 2, 8], [100, 10, 30], 0.5, 0.1],
    [[1, 2, 8], [100, 10, 30], 0.95, 0.3],
    [[0, 5, 5, 9], [7, 900, 40, 1], 0.05, 0.5],
  ])("has the mean that was asked for: %j of sizes %j", (outliers, sizes, sparsity, lambda) => {
    const sparsities = shareByOutliers(outliers, sizes, sparsity, lambda);
    expect(sum(sparsities.map((each, i) => each * sizes[i]!))).toBeCloseTo(sparsity * sum(sizes), 6);
    for (const each of sparsities) expect(each >= 0 && each <= 1).toBe(true);
    // More outliers never mean a higher sparsity.
    for (const [i, each] of sparsities.entries())
      sparsities.forEach((other, j) => {
        if (outliers[i]! > outliers[j]!) expect(each).toBeLessThanOrEqual(other + 1e-12);
      });
    const total = Math.round(sparsity * sum(sizes));
    const counts = roundToTotal(
      sparsities.map((each, i) => each * sizes[i]!),
      sizes,
      total,
    );
    expect(sum(counts)).toBe(total);
    counts.forEach((each, i) => expect(Math.abs(each - sparsities[i]! * sizes[i]!)).toBeLessThanOrEqual(1));
  });

  it("is the same everywhere where no layer has more outliers than another", () => {
    expect(shareByOutliers([3, 3], [5, 9], 0.4, 0.2)).toEqual([0.4, 0.4]);
  });
});

describe.each(["in_out", "out_in"] as const)("a mask of %s weights", (layout) => {
  const matrix = createMatrixSpec(6, 5, { layout });
  const next = createUniform(3);
  const scores = Float32Array.from({ length: 30 }, next);
  const at = (input: number, output: number) =>
    layout === "in_out" ? input * 5 + output : output * 6 + input;

  it.each([0, 1, 10, 13, 29, 30])(
    "prunes exactly %i weights, as evenly over the rows as possible",
    (dropped) => {
      const mask = maskCount({ matrix, scores }, "row", dropped);
      expect(30 - sum(mask)).toBe(dropped);
      const [taken, left]: [number[], number[]] = [[], []];
      for (let output = 0; output < 5; output++) {
        const row = Array.from({ length: 6 }, (_, input) => at(input, output));
        const gone = row.filter((place) => mask[place] === 0);
        expect([Math.floor(dropped / 5), Math.ceil(dropped / 5)]).toContain(gone.length);
        const sorted = row.sort((a, b) => scores[a]! - scores[b]!);
        expect(gone.sort((a, b) => scores[a]! - scores[b]!)).toEqual(sorted.slice(0, gone.length));
        if (gone.length > dropped / 5) taken.push(scores[gone.at(-1)!]!);
        else if (gone.length < dropped / 5) left.push(scores[sorted[gone.length]!]!);
      }
      // The remainder is where the next weight of a row has the lowest score.
      expect(Math.min(Infinity, ...left)).toBeGreaterThanOrEqual(Math.max(0, ...taken));
      const whole = maskCount({ matrix, scores }, "layer", dropped);
      expect(30 - sum(whole)).toBe(dropped);
    },
  );
});

it("prunes as many weights as the same sparsity everywhere, and fewer where outliers are", async () => {
  const shape = createTinyShape("llama");
  const tensors = new Map(drawModelTensors(shape, 6));
  // A few weights of the second layer are far larger than the others.
  for (const [name, { shape: size, data }] of tensors)
    if (/layers\.1\..*(q|up)_proj/.test(name))
      tensors.set(name, {
        shape: size,
        data: (data as Float32Array).map((each, i) => (i % 50 === 0 ? 9 : each)),
      });
  const lab = createLabWithText(grammar.engine, grammar.data);
  const given = { sparsity: 0.6, calibration: { samples: 4, batch_size: 2 } };
  for (const method of [wanda, magnitude]) {
    const owl = { ...given, sparsity_profile: "owl", owl_m: 4, owl_lmbda: 0.2 };
    const shared = await method.apply({ shape, tensors }, method.options.parse(owl) as never, lab);
    const plan = method.plan(shape, method.options.parse(owl) as never);
    expect(countModel(shared.shape).total).toEqual(plan.after.total);
    expect(countModel(shared.shape).total).toEqual(
      method.plan(shape, method.options.parse(given) as never).after.total,
    );
    const stored = (layer: number) =>
      sum(
        countModel(shared.shape)
          .roles.filter((role) => role.layer === layer)
          .map((role) => role.stored),
      );
    expect(stored(1)).toBeGreaterThan(stored(0) * 1.2);
    // A second time only a bound is known.
    const denser = method.options.parse({ ...owl, sparsity: 0.7 }) as never;
    const bound = method.plan(shared.shape, denser);
    expect(bound.exact).toBe("most");
    const again = await method.apply(shared, denser, lab);
    expect(countModel(again.shape).total.stored).toBeLessThanOrEqual(bound.after.total.stored);
  }
});

it("refuses patterns and a comparison over the whole model", () => {
  const owl = { sparsity_profile: "owl" };
  expect(() => wanda.options.parse({ ...owl, mask_structure: "2:4" })).toThrow(/leave sparsity_profile out/);
  expect(() => magnitude.options.parse({ ...owl, scope: "global" })).toThrow(/over all layers already/);
  const { shape } = { shape: createTinyShape("llama") };
  expect(() => magnitude.plan(shape, magnitude.options.parse({ ...owl, targets: "embed_tokens" }))).toThrow(
    /looked up/,
  );
});
