/** The scores of FLAP: the authors' formulas in PyTorch, and units without weights. */
import { expect, it } from "vitest";
import { transpose } from "../../../../src/backend/compression/algebra/linearAlgebra";
import { computeMoments, scoreUnits } from "../../../../src/backend/compression/pruning/fluctuation";
import type { UnitGroup } from "../../../../src/backend/compression/pruning/structured";
import reference from "../../../fixtures/pruning.json";
import { createMatrixSpec } from "../../../support/matrix";

const groupOf = (kind: string, units: number, inputs: number, outputs: number) =>
  ({
    kind,
    units,
    consumer: { content: { matrix: createMatrixSpec(inputs, outputs) } },
  }) as unknown as UnitGroup;

const momentsOf = (x: readonly number[], inputs: number) => {
  const [sums, squares] = [new Float64Array(inputs), new Float64Array(inputs)];
  x.forEach((each, i) => {
    sums[i % inputs]! += each;
    squares[i % inputs]! += each ** 2;
  });
  return computeMoments({ sums, squares, count: Float64Array.of(x.length / inputs) });
};

it.each(reference.flap)(
  "are those of the authors' code for $kind",
  ({ kind, units, x, w, outputs, inputs, scores }) => {
    const options = { metric: "fluctuation", standardize: "inputs" } as const;
    const weights = transpose(w, outputs, inputs);
    const own = scoreUnits(groupOf(kind, units, inputs, outputs), weights, momentsOf(x, inputs), options);
    scores.forEach((each, unit) => expect(own[unit]).toBeCloseTo(each, 5));
  },
);

it("remove a unit without weights first, however the others vary", () => {
  const weights = Float32Array.of(1, 2, 0, 0, 3, 4);
  const moments = { mean: Float64Array.of(0, 0, 0), variance: Float64Array.of(0, 9, 1) };
  for (const standardize of ["units", "inputs"] as const)
    expect(
      scoreUnits(groupOf("channels", 3, 3, 2), weights, moments, { metric: "fluctuation", standardize })[1],
    ).toBe(-Infinity);
});
