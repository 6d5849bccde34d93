/** When the new value of a state may overwrite the old one, for different graphs. */
import { describe, expect, it } from "vitest";
import { findInPlaceStates } from "../../../src/backend/engine/inPlace";
import { input, scalar, type Value } from "../../../src/backend/graph/op";
import { add, maximum, mul, neg, sub } from "../../../src/backend/graph/ops/elementwise";
import { replaceRows } from "../../../src/backend/graph/ops/indexing";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { concat, reshape, slice, transpose } from "../../../src/backend/graph/ops/movement";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { createTrainingStep } from "../../support/trainingStep";

const w = input("w", [4, 4]);
const g = input("g", [4, 4]);
const x = input("x", [2, 4]);
const rate = input("rate", []);
const norm = (value: Value) => sum(mul(value, value), { axes: [0, 1], keepDims: false });

/** Whether `next` may overwrite w, in a graph with these additional outputs. */
function safe(next: Value, others: Readonly<Record<string, Value>> = {}): boolean {
  return findInPlaceStates({ outputs: { next, ...others } }, { next: "w" }).has("w");
}

describe("a state is overwritten in place", () => {
  it("when the update is its only reader", () => {
    expect(safe(sub(w, mul(g, rate)))).toBe(true);
  });

  it("when every other reader comes before the update", () => {
    const gradient = matmul(transpose(x, { perm: [1, 0] }), matmul(x, w));
    expect(safe(sub(w, mul(gradient, rate)))).toBe(true);
  });

  it("when it is first decayed, element by element", () => {
    expect(safe(add(mul(w, scalar(0.9)), g))).toBe(true);
  });

  it("when the update does not read it, but comes after all readers", () => {
    expect(safe(matmul(g, matmul(w, g)))).toBe(true);
  });

  it("when the update replaces some of its rows", () => {
    const [at, rows] = [input("at", [2], "int32"), input("rows", [2, 4])];
    expect(safe(replaceRows(w, at, rows))).toBe(true);
    expect(safe(replaceRows(w, at, matmul(rows, w)))).toBe(true);
  });

  it("when it does not change at all", () => {
    expect(safe(w)).toBe(true);
  });

  it("for all weights and moments of a training step that clips by the global norm", () => {
    const { graph, state } = createTrainingStep({ clipped: true });
    expect([...findInPlaceStates(graph, state)].sort()).toEqual([
      "down",
      "momentum.down",
      "momentum.up",
      "up",
    ]);
  });
});

describe("a state keeps a second set of buffers", () => {
  it("when an output that the update does not wait for reads it", () => {
    expect(safe(sub(w, mul(g, rate)), { loss: norm(matmul(x, w)) })).toBe(false);
  });

  it("when the backward pass of an earlier layer still reads it, without clipping", () => {
    const { graph, state } = createTrainingStep({ clipped: false });
    expect([...findInPlaceStates(graph, state)].sort()).toEqual(["momentum.down", "momentum.up", "up"]);
  });

  it("when it is itself an output under another name, directly or as a view", () => {
    const next = sub(w, mul(g, rate));
    expect(safe(next, { before: w })).toBe(false);
    expect(safe(next, { before: reshape(w, { shape: [16] }) })).toBe(false);
  });

  it("when the update moves elements", () => {
    expect(safe(transpose(w, { perm: [1, 0] }))).toBe(false);
    expect(safe(add(transpose(w, { perm: [1, 0] }), w))).toBe(false);
    expect(safe(add(neg(transpose(w, { perm: [1, 0] })), w))).toBe(false);
  });

  it("when the update is a matrix product with it", () => {
    expect(safe(matmul(w, g))).toBe(false);
  });

  it("when the update replaces some of its rows with others of its rows", () => {
    const at = input("at", [2], "int32");
    expect(safe(replaceRows(w, at, slice(w, { axis: 0, start: 0, end: 2 })))).toBe(false);
    const next = replaceRows(w, at, input("rows", [2, 4]));
    expect(safe(next, { late: matmul(x, w) })).toBe(false);
  });

  it("when the update broadcasts a smaller view of it", () => {
    expect(safe(sub(w, slice(w, { axis: 0, start: 0, end: 1 })))).toBe(false);
  });

  it("when a view of it, which a runtime may read late, outlives the update", () => {
    const view = transpose(w, { perm: [1, 0] });
    const gradient = matmul(g, matmul(view, g));
    const late = matmul(x, view);
    expect(safe(sub(w, mul(gradient, rate)), { late })).toBe(false);
  });

  it("when it is part of a concatenation that outlives the update", () => {
    const both = concat(w, g, { axis: 0 });
    const gradient = mul(slice(both, { axis: 0, start: 0, end: 4 }), g);
    expect(safe(sub(w, gradient), { late: matmul(x, slice(both, { axis: 0, start: 0, end: 4 })) })).toBe(
      false,
    );
  });

  it("when two states are swapped", () => {
    const v = input("v", [4, 4]);
    expect(findInPlaceStates({ outputs: { a: v, b: w } }, { a: "w", b: "v" }).size).toBe(0);
    const proven = findInPlaceStates({ outputs: { a: maximum(v, g), b: sub(w, g) } }, { a: "w", b: "v" });
    expect(proven.size).toBe(0);
  });
});
