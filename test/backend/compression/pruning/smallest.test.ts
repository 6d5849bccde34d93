import { describe, expect, it } from "vitest";
import {
  maskSmallest,
  findPatternFault,
  countShare,
  findLowest,
  type ComparisonGroup,
} from "../../../../src/backend/compression/pruning/smallest";
import type { MatrixSpec } from "../../../../src/backend/representations/representation";
import { createUniform } from "../../../support/sampleValues";
import { createMatrixSpec } from "../../../support/matrix";

const matrix = (inputs: number, outputs: number, layout: MatrixSpec["layout"]): MatrixSpec =>
  createMatrixSpec(inputs, outputs, { layout, init: { kind: "zeros" } });
/**
 * Takes scores with one line per output, converts them to the layout of the tensor, masks them, and converts the result
 * back.
 */
function maskOf(
  rows: readonly (readonly number[])[],
  within: ComparisonGroup,
  sparsity: number,
  layout: MatrixSpec["layout"],
) {
  const [outputs, inputs] = [rows.length, rows[0]!.length];
  const at = (output: number, input: number) =>
    layout === "in_out" ? input * outputs + output : output * inputs + input;
  const scores = new Float32Array(inputs * outputs);
  rows.forEach((row, output) => row.forEach((score, input) => (scores[at(output, input)] = score)));
  const [mask] = maskSmallest([{ matrix: matrix(inputs, outputs, layout), scores }], within, sparsity);
  return rows.map((row, output) => row.map((_, input) => mask![at(output, input)]!));
}
const layouts = ["in_out", "out_in"] as const;

describe.each(layouts)("maskSmallest, %s", (layout) => {
  const rows = [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ];

  it("drops the smallest of a matrix", () => {
    expect(maskOf(rows, "layer", 0.5, layout)).toEqual([
      [0, 0, 0, 0],
      [1, 1, 1, 1],
    ]);
  });

  it("drops the smallest of each output", () => {
    expect(maskOf(rows, "row", 0.5, layout)).toEqual([
      [0, 0, 1, 1],
      [0, 0, 1, 1],
    ]);
  });

  it("keeps n of every m inputs of an output", () => {
    const scores = [[4, 1, 3, 2, 9, 9.5, 1, 2]];
    expect(maskOf(scores, { kept: 2, of: 4 }, NaN, layout)).toEqual([[1, 0, 1, 0, 1, 1, 0, 0]]);
    expect(maskOf(scores, { kept: 1, of: 2 }, NaN, layout)).toEqual([[1, 0, 1, 0, 0, 1, 0, 1]]);
    expect(maskOf(scores, { kept: 4, of: 4 }, NaN, layout)).toEqual([[1, 1, 1, 1, 1, 1, 1, 1]]);
  });

  it.each([0, 0.1, 1 / 3, 0.5, 0.99, 1])("drops ⌊%f · n⌋, however many scores are equal", (sparsity) => {
    const equal = [
      [1, 1, 1, 1, 1],
      [1, 1, 2, 1, 1],
    ];
    const count = (mask: number[][]) => mask.flat().filter((each) => each === 0).length;
    expect(count(maskOf(equal, "layer", sparsity, layout))).toBe(countShare(10, sparsity));
    expect(count(maskOf(equal, "row", sparsity, layout))).toBe(2 * countShare(5, sparsity));
  });
});

describe("maskSmallest", () => {
  it("drops the earlier of equal scores", () => {
    expect(maskOf([[1, 1, 1, 1]], "layer", 0.5, "out_in")).toEqual([[0, 0, 1, 1]]);
  });

  it("drops the smallest of all matrices together", () => {
    const low = { matrix: matrix(2, 2, "out_in"), scores: Float32Array.of(1, 2, 3, 9) };
    const high = { matrix: matrix(2, 1, "out_in"), scores: Float32Array.of(4, 8) };
    expect(maskSmallest([low, high], "global", 0.5).map((mask) => [...mask])).toEqual([
      [0, 0, 0, 1],
      [1, 1],
    ]);
  });

  it("refuses NaN", () => {
    const scored = { matrix: matrix(2, 1, "out_in"), scores: Float32Array.of(1, NaN) };
    expect(() => maskSmallest([scored], "layer", 0.5)).toThrow(
      /up_proj contains weights that are not numbers/,
    );
  });
});

describe("weights that are already dropped", () => {
  const layers = matrix(4, 1, "out_in");
  const kept = (
    scores: readonly number[],
    mask: readonly number[],
    within: ComparisonGroup,
    sparsity: number,
  ) => {
    const scored = { matrix: layers, scores: Float32Array.from(scores), mask: Uint8Array.from(mask) };
    return [...maskSmallest([scored], within, sparsity)[0]!];
  };

  it.each<ComparisonGroup>(["layer", "row", "global", { kept: 2, of: 4 }])(
    "stay dropped and count first, even with negative or infinite scores: %o",
    (within) => {
      expect(kept([-9, -1, -5, 4], [1, 1, 1, 0], within, 0.5)).toEqual([0, 1, 1, 0]);
      expect(kept([-1, -1, Infinity, -1], [1, 0, 1, 1], within, 0.5)).toEqual([0, 0, 1, 1]);
      expect(kept([3, 1, 2, 9], [1, 0, 0, 0], within, 0.5)).toEqual([1, 0, 0, 0]);
    },
  );

  it("do not need a score", () => {
    expect(kept([NaN, 3, 2, 1], [0, 1, 1, 1], "layer", 0.5)).toEqual([0, 1, 1, 0]);
    expect(() => kept([NaN, 3, 2, 1], [1, 0, 1, 1], "layer", 0.5)).toThrow(/not numbers/);
  });
});

describe("findLowest", () => {
  const n = 500;
  const random = createUniform(1);
  it.each<[string, (i: number) => number]>([
    ["random", () => random()],
    ["equal", () => 1],
    ["sorted", (i) => i],
    ["reversed", (i) => -i],
    ["rising and falling", (i) => Math.min(i, n - i)],
    ["few and infinite", (i) => [3, -Infinity, 0, -0, Infinity][(i * 7) % 5]!],
  ])("selects as a stable sort does from %s scores", (_, draw) => {
    const scores = Float64Array.from({ length: n }, (_, i) => draw(i));
    const places = Uint32Array.from({ length: n }, (_, i) => 2 * i + 1);
    const order = Array.from(places.keys()).sort((a, b) =>
      scores[a] === scores[b] ? a - b : scores[a]! - scores[b]!,
    );
    for (const count of [0, 1, 17, 250, 499, 500, 600]) {
      const expected = order.slice(0, count).sort((a, b) => a - b);
      expect([...findLowest(places, scores, count)]).toEqual(expected.map((i) => places[i]!));
    }
  });
});

describe("countShare", () => {
  it.each([
    [100, 0.29, 29],
    [10, 0.7, 7],
    [7, 0.5, 3],
    [1_000_000_000, 0.3, 300_000_000],
    [999, 1, 999],
    [999, 0, 0],
  ])("of %i at %f is %i", (count, sparsity, dropped) => expect(countShare(count, sparsity)).toBe(dropped));
});

it("reports groups that do not divide a matrix", () => {
  expect(findPatternFault(matrix(6, 4, "out_in"), { kept: 2, of: 4 })).toMatch(
    /6 inputs, which is not a multiple of 4/,
  );
  expect(findPatternFault(matrix(8, 3, "out_in"), { kept: 2, of: 4 })).toBeUndefined();
});
