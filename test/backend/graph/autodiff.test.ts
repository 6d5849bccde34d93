import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { sortTopologically } from "../../../src/backend/graph/graph";
import { input, parameter, scalar, sizeOf, type Value } from "../../../src/backend/graph/op";
import { add, cast, exp, greater, mul, sub, where } from "../../../src/backend/graph/ops/elementwise";
import { waitFor } from "../../../src/backend/graph/ops/gate";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { pad, reshape, slice, transpose } from "../../../src/backend/graph/ops/movement";
import { expand, mean, sum } from "../../../src/backend/graph/ops/reduction";
import { computeCentralDifferences, computeRelativeError, createUniform } from "../../support/sampleValues";

const total = (x: Value) => sum(x, { axes: x.type.shape.map((_, axis) => axis), keepDims: false });

function numbers(count: number, seed: number): number[] {
  const random = createUniform(seed);
  return Array.from({ length: count }, () => 2 * random() - 1);
}

/** Compares every gradient of a loss with finite differences, for seeded numbers. */
function expectTrueGradients(loss: Value, wrt: readonly (Value & { readonly name: string })[]): void {
  const feeds = Object.fromEntries(wrt.map((x, i) => [x.name, numbers(sizeOf(x.type.shape), i + 1)]));
  gradients(loss, wrt).forEach((gradient, i) => {
    const { name, type } = wrt[i]!;
    expect(gradient.type).toEqual(type);
    const got = evaluateGraph({ outputs: { gradient } }, feeds)["gradient"]!;
    expect(computeRelativeError(got, computeCentralDifferences(loss, feeds, name)), name).toBeLessThan(1e-6);
  });
}

const named = (name: string, shape: readonly number[]) =>
  parameter(name, shape) as Value & { readonly name: string };

describe("gradients", () => {
  it("add up over all uses of a value, even if one operation uses it twice", () => {
    const x = named("x", [3]);
    const square = mul(x, x);
    expectTrueGradients(total(add(mul(square, x), sub(exp(x), square))), [x]);
  });

  it("add up over paths that split and join again", () => {
    const x = named("x", [2, 3]);
    const y = exp(x);
    const left = mul(y, scalar(3));
    const right = mul(y, y);
    expectTrueGradients(total(mul(add(left, right), sub(right, left))), [x]);
  });

  it.each([
    [[3], [2, 3]],
    [[1], [2, 3]],
    [[], [2, 3]],
    [
      [2, 1],
      [2, 3],
    ],
    [
      [4, 1, 3],
      [2, 1],
    ],
    [
      [1, 1, 1],
      [2, 3],
    ],
  ])("are summed over broadcast axes: %j with %j", (a, b) => {
    const [x, y] = [named("x", a), named("y", b)];
    expectTrueGradients(total(mul(exp(x), mul(y, y))), [x, y]);
  });

  it("of a batched product are summed over broadcast batches", () => {
    const [a, b] = [named("a", [2, 1, 3, 4]), named("b", [5, 4, 2])];
    const y = matmul(a, b);
    expectTrueGradients(total(mul(y, y)), [a, b]);
  });

  it("of slices that tile a value are joined, not padded and added", () => {
    const x = named("x", [2, 6]);
    const piece = (start: number, end: number) => slice(x, { axis: 1, start, end });
    const loss = add(
      total(exp(piece(0, 2))),
      add(total(mul(piece(5, 6), scalar(2))), total(exp(piece(2, 5)))),
    );
    expectTrueGradients(loss, [x]);
    const names = sortTopologically(gradients(loss, [x])).map((each) =>
      each.kind === "apply" ? each.op.name : "",
    );
    expect(names).toContain("concat");
    expect(names).not.toContain("pad");
  });

  it.each([
    ["overlap", [0, 4], [2, 6]],
    ["leave a gap", [0, 2], [4, 6]],
    ["are the same twice", [0, 3], [0, 3]],
    ["leave the end", [0, 2], [2, 4]],
  ] as const)("of slices that %s are padded and added", (_, first, second) => {
    const x = named("x", [2, 6]);
    const piece = ([start, end]: readonly [number, number]) => exp(slice(x, { axis: 1, start, end }));
    expectTrueGradients(add(total(piece(first)), total(mul(piece(second), scalar(3)))), [x]);
  });

  it("of slices along different axes, or with a padding in the model, are correct too", () => {
    const x = named("x", [4, 4]);
    const rows = slice(x, { axis: 0, start: 0, end: 2 });
    const columns = slice(x, { axis: 1, start: 2, end: 4 });
    const loss = add(
      total(exp(rows)),
      add(total(exp(columns)), total(exp(pad(x, { axis: 1, before: 1, after: 0 })))),
    );
    expectTrueGradients(loss, [x]);
  });

  it("are zeros of the right shape if the loss does not depend on a value", () => {
    const [x, idle] = [named("x", [2]), named("idle", [3, 2])];
    const [, gradient] = gradients(total(exp(x)), [x, idle]);
    expect(gradient!.type).toEqual(idle.type);
    expect([...evaluateGraph({ outputs: { gradient: gradient! } }, {})["gradient"]!]).toEqual([
      0, 0, 0, 0, 0, 0,
    ]);
  });

  it("are zeros if every path to the loss is constant", () => {
    const x = named("x", [3]);
    const steps = cast(greater(x, scalar(0)), { to: "float32" });
    const [gradient] = gradients(total(mul(steps, scalar(2))), [x]);
    expect([...evaluateGraph({ outputs: { gradient: gradient! } }, { x: [1, -1, 2] })["gradient"]!]).toEqual([
      0, 0, 0,
    ]);
  });

  it("use another path if one is constant", () => {
    const x = named("x", [4]);
    expectTrueGradients(total(where(greater(x, scalar(0)), mul(x, x), x)), [x]);
  });

  it("can be requested for a value inside the graph, and for the loss itself", () => {
    const x = named("x", [2]);
    const y = exp(x);
    const loss = total(mul(y, y));
    const [dy, self] = gradients(loss, [y, loss]);
    const got = evaluateGraph({ outputs: { dy: dy!, self: self! } }, { x: [0, 1] });
    expect([...got["dy"]!]).toEqual([2, 2 * Math.E]);
    expect([...got["self"]!]).toEqual([1]);
  });

  it("of gradients are second derivatives", () => {
    const x = named("x", [3]);
    const [first] = gradients(total(exp(mul(x, x))), [x]);
    expectTrueGradients(total(mul(first!, first!)), [x]);
  });

  it("survive changes of shape", () => {
    const [x, y] = [named("x", [2, 3, 4]), named("y", [12, 2])];
    const turned = reshape(transpose(x, { perm: [2, 1, 0] }), { shape: [12, 2] });
    const wide = expand(reshape(mean(y, { axes: [0], keepDims: true }), { shape: [1, 2] }), {
      shape: [12, 2],
    });
    expectTrueGradients(total(mul(turned, mul(wide, y))), [x, y]);
  });

  it("are refused for anything but a scalar, naming its shape", () => {
    const x = parameter("x", [2, 3]);
    expect(() => gradients(mul(x, x), [x])).toThrow(
      "Only a scalar can be differentiated, not a tensor of shape [2, 3].",
    );
    expect(() => gradients(reshape(total(x), { shape: [1] }), [x])).toThrow("of shape [1]");
  });

  it("are refused if they reach an operation that must not be differentiated, naming it", () => {
    const x = parameter("x", [2]);
    const held = waitFor(input("gate", [], "bool"), x, scalar(1));
    expect(() => gradients(total(held), [x])).toThrow(
      "Operation waitFor is not differentiable, but a gradient reached it.",
    );
  });

  it("leave out everything not requested", () => {
    const [x, frozen] = [parameter("x", [2, 2]), parameter("frozen", [2, 2])];
    const loss = total(matmul(matmul(x, frozen), frozen));
    const products = (wrt: Value[]) =>
      sortTopologically(gradients(loss, wrt)).filter(
        (each) => each.kind === "apply" && each.op.name === "matmul",
      ).length;
    expect(products([x])).toBeLessThan(products([x, frozen]));
  });
});
