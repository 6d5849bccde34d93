/** RIA and DSnoT: their formulas in PyTorch, and what they keep. */
import { describe, expect, it } from "vitest";
import { exchangeWeights } from "../../../../src/backend/compression/pruning/dsnot";
import { scoreRelatively } from "../../../../src/backend/compression/pruning/relativeImportance";
import ria from "../../../../src/backend/methods/ria";
import reference from "../../../fixtures/pruning.json";
import { createMatrixSpec } from "../../../support/matrix";

const columnsOf = (x: readonly number[], inputs: number, each: (column: readonly number[]) => number) =>
  Array.from({ length: inputs }, (_, input) => each(x.filter((_, i) => i % inputs === input)));
const sum = (values: readonly number[]) => values.reduce((total, each) => total + each, 0);
const square = (column: readonly number[]) => sum(column.map((each) => each ** 2));

/** The values of a matrix [outputs, inputs] as [inputs, outputs]. */
function swap<T>(values: readonly T[], outputs: number, inputs: number): T[] {
  return Array.from(
    { length: values.length },
    (_, i) => values[(i % outputs) * inputs + Math.floor(i / outputs)]!,
  );
}

describe.each(["out_in", "in_out"] as const)("weights stored as %s", (layout) => {
  const arrange = <T>(values: readonly T[], outputs: number, inputs: number) =>
    layout === "out_in" ? values : swap(values, outputs, inputs);

  it.each(reference.ria)(
    "have the scores of RIA at a power of $power",
    ({ x, w, outputs, inputs, power, scores }) => {
      const matrix = createMatrixSpec(inputs, outputs, { layout });
      const weights = Float32Array.from(arrange(w, outputs, inputs));
      const own = scoreRelatively(matrix, weights, columnsOf(x, inputs, square), power);
      arrange(scores, outputs, inputs).forEach((each, i) => expect(own[i]).toBeCloseTo(each, 4));
    },
  );

  it.each(reference.dsnot)(
    "are exchanged as by DSnoT, at most $cycles in an output",
    ({ x, w, outputs, inputs, cycles, threshold, power, before, after }) => {
      const matrix = createMatrixSpec(inputs, outputs, { layout });
      const norms = columnsOf(x, inputs, (column) => Math.sqrt(square(column)));
      const totals = columnsOf(x, inputs, (column) => sum(column) / column.length);
      const variances = columnsOf(x, inputs, square).map(
        (each, i) => each / (x.length / inputs) - totals[i]! ** 2,
      );
      const weights = arrange(w, outputs, inputs);
      const scores = arrange(
        w.map((each, i) => Math.abs(each) * norms[i % inputs]!),
        outputs,
        inputs,
      );
      const mask = Uint8Array.from(arrange(before, outputs, inputs));
      const options = { max_cycle_time: cycles, update_threshold: threshold, pow_of_var_regrowing: power };
      const own = exchangeWeights(matrix, { weights, scores, mask }, { totals, variances }, options);
      expect([...own]).toEqual([...arrange(after, outputs, inputs)]);
      expect(own).not.toEqual(mask);
      // Weights that an earlier method has pruned stay pruned.
      const gone = exchangeWeights(
        matrix,
        { weights, scores, mask, before: mask },
        { totals, variances },
        options,
      );
      expect(gone).toEqual(mask);
    },
  );
});

it("keeps weights of zero and of inputs without others from making a score that is not a number", () => {
  const matrix = createMatrixSpec(2, 2, { layout: "out_in" });
  expect([...scoreRelatively(matrix, Float32Array.of(0, 1, 0, 3), [1, 1], 0.5)]).toEqual([0, 1.25, 0, 1.75]);
});

it("refuses exchanges within a pattern", () => {
  expect(() => ria.options.parse({ mask_structure: "2:4", dsnot: {} })).toThrow(/2:4 does not allow/);
});
