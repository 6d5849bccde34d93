import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { constant, input, parameter, type Value } from "../../../src/backend/graph/op";
import { add, cast, equal, not, where } from "../../../src/backend/graph/ops/elementwise";
import { waitFor } from "../../../src/backend/graph/ops/gate";
import { gather, pick, place, scatterRows } from "../../../src/backend/graph/ops/indexing";
import { crossEntropy } from "../../../src/backend/graph/ops/loss";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { concat, reshape, slice, transpose } from "../../../src/backend/graph/ops/movement";
import { layerNorm, rmsNorm, softmaxMatmul } from "../../../src/backend/graph/ops/normalization";
import { expand, sum } from "../../../src/backend/graph/ops/reduction";

const float = (...shape: number[]) => parameter("x", shape);
const int = (...shape: number[]) => input("i", shape, "int32");
const bool = (...shape: number[]) => input("b", shape, "bool");

describe("mismatched shapes are refused when the graph is built, with the shapes", () => {
  const wrong: readonly (readonly [string, () => Value])[] = [
    ["Shapes [2, 3] and [4] do not broadcast.", () => add(float(2, 3), float(4))],
    ["add of float32 [2] and int32 [2]: cast one of them.", () => add(float(2), int(2))],
    ["equal of int32 [2] and bool [2]", () => equal(int(2), bool(2))],
    ["where takes a bool condition, not float32 [2]", () => where(float(2), float(2), float(2))],
    ["where of float32 [2] and int32 [2]", () => where(bool(2), float(2), int(2))],
    ["not takes a bool condition, not int32 [3]", () => not(int(3))],
    ["matmul of [2, 3] and [4, 5]: inner sizes 3 and 4 differ", () => matmul(float(2, 3), float(4, 5))],
    [
      "matmul of [2, 3]ᵀ and [4, 3]ᵀ: inner sizes 2 and 3 differ",
      () => matmul(float(2, 3), float(4, 3), { transposeA: true, transposeB: true }),
    ],
    ["matmul takes matrices", () => matmul(float(3), float(3, 2))],
    ["Shapes [2] and [3] do not broadcast.", () => matmul(float(2, 3, 4), float(3, 4, 5))],
    ["inner sizes 4 and 5 differ", () => softmaxMatmul(float(3, 4), float(5, 2))],
    ["reshape of [2, 3] to [4] changes the number of elements", () => reshape(float(2, 3), { shape: [4] })],
    ["transpose of [2, 3] by (0, 0)", () => transpose(float(2, 3), { perm: [0, 0] })],
    ["transpose of [2, 3] by (0)", () => transpose(float(2, 3), { perm: [0] })],
    ["slice 1..4 along axis 1 of [2, 3]", () => slice(float(2, 3), { axis: 1, start: 1, end: 4 })],
    ["slice 0..1 along axis 2 of [2, 3]", () => slice(float(2, 3), { axis: 2, start: 0, end: 1 })],
    ["slice 1..1 along axis 0 of [2, 3]", () => slice(float(2, 3), { axis: 0, start: 1, end: 1 })],
    ["concat along axis 0 of [2, 3] and [2, 4]", () => concat(float(2, 3), float(2, 4), { axis: 0 })],
    ["concat along axis 2 of [2, 3] and [2, 3]", () => concat(float(2, 3), float(2, 3), { axis: 2 })],
    ["concat along axis 0 of [2] and [2]", () => concat(float(2), int(2), { axis: 0 })],
    ["sum over axis 2 of [2, 3]", () => sum(float(2, 3), { axes: [2], keepDims: false })],
    ["expand of [2, 3] to [3]", () => expand(float(2, 3), { shape: [3] })],
    ["Shapes [2] and [3] do not broadcast.", () => expand(float(2), { shape: [3] })],
    ["gather takes int32 indices, not float32", () => gather(float(5, 3), float(2))],
    ["scatterRows of [3, 2] by [4]", () => scatterRows(int(4), float(3, 2), { rows: 5 })],
    ["pick from [4, 3] by [5]", () => pick(float(4, 3), int(5))],
    ["place of [3] by [4]", () => place(int(4), float(3), { width: 2 })],
    ["crossEntropy of [4, 5] and int32 [3]", () => crossEntropy(float(4, 5), int(3))],
    ["crossEntropy of [4, 5] and float32 [4]", () => crossEntropy(float(4, 5), float(4))],
    [
      "layerNorm of [2, 6] with a weight of [5]",
      () => layerNorm(float(2, 6), float(6), float(5), { epsilon: 1 }),
    ],
    ["rmsNorm of [2, 6] with a weight of [1, 6]", () => rmsNorm(float(2, 6), float(1, 6), { epsilon: 1 })],
    ["waitFor takes a bool scalar, a tensor, and a scalar", () => waitFor(float(), float(2), float())],
    ["a scalar of the tensor's dtype", () => waitFor(bool(), int(2), float())],
    ["A constant of shape [2, 2] cannot hold 3 values.", () => constant(Float32Array.of(1, 2, 3), [2, 2])],
  ];
  it.each(wrong)("%s", (message, build) => expect(build).toThrow(message));
});

describe("an index outside its table", () => {
  it("raises an error of the plain evaluation with the range", () => {
    const graph = { outputs: { y: gather(parameter("t", [3, 1]), input("i", [1], "int32")) } };
    expect(() => evaluateGraph(graph, { t: [1, 2, 3], i: [3] })).toThrow("gather: index 3 is outside 0…2.");
    expect(() => evaluateGraph(graph, { t: [1, 2], i: [0] })).toThrow("t needs 3 numbers, but got 2.");
    expect(() => evaluateGraph(graph, { i: [0] })).toThrow("t needs 3 numbers, but got none.");
  });
});

it("casts change only the type", () => {
  expect(cast(int(2, 3), { to: "float32" }).type).toEqual({ dtype: "float32", shape: [2, 3] });
});
