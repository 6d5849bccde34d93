import { expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input } from "../../../src/backend/graph/op";
import { sum } from "../../../src/backend/graph/ops/reduction";
import masked from "../../../src/backend/representations/masked";
import { createLookup, createValues } from "../../support/tensors";
import { createMatrixSpec } from "../../support/matrix";

const matrix = createMatrixSpec(2, 3, { layout: "in_out" });
const tensors = new Map<string, Float32Array | Uint8Array>([
  ["up.weight", Float32Array.of(1, 2, 3, 4, 0, 6)],
  ["up.weight_mask", Uint8Array.of(1, 0, 1, 0, 1, 1)],
]);

it("counts a bit for every scalar and the value of every kept one", () => {
  const counts = masked.count(matrix, {}, createLookup(tensors));
  expect(counts).toEqual({ trainable: 4, stored: 4, nonZero: 3, bits: 6 + 4 * 32 });
  expect(masked.count(matrix, { kept: 4 })).toMatchObject({ stored: 4, bits: 6 + 4 * 32 });
});

it("excludes dropped scalars from the product and from gradients", () => {
  const specs = masked.parameters(matrix, {});
  const values = createValues(specs);
  const y = masked.apply(input("x", [1, 2]), createLookup(values), matrix, {});
  const [gradient] = gradients(sum(y, { axes: [0, 1], keepDims: false }), [values.get("up.weight")!]);
  const feeds = {
    x: [1, 10],
    ...Object.fromEntries([...tensors].map(([name, data]) => [name, Array.from(data)])),
  };
  const results = evaluateGraph({ outputs: { y, gradient: gradient! } }, feeds);
  expect(Array.from(results["y"]!)).toEqual([1, 0, 63]);
  expect(Array.from(results["gradient"]!)).toEqual([1, 0, 1, 0, 10, 10]);
});

it("refuses to keep more scalars than there are", () => {
  expect(masked.refuses?.(matrix, { kept: 7 })).toMatch(/7 of 6/);
});
