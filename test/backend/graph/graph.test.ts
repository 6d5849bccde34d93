import { describe, expect, it } from "vitest";
import { listInputs, sortTopologically } from "../../../src/backend/graph/graph";
import { formatListing } from "../../../src/backend/graph/listing";
import { constant, input, parameter, scalar, type Value } from "../../../src/backend/graph/op";
import { add, mul, neg } from "../../../src/backend/graph/ops/elementwise";
import { concat } from "../../../src/backend/graph/ops/movement";

describe("topological", () => {
  it("lists every value once, after all of its inputs", () => {
    const x = input("x", [2]);
    const y = neg(x);
    const outputs = [add(mul(y, x), y), mul(y, y)];
    const order = sortTopologically(outputs);
    expect(new Set(order).size).toBe(order.length);
    expect(order).toHaveLength(5);
    for (const value of order)
      for (const each of value.kind === "apply" ? value.inputs : [])
        expect(order.indexOf(each)).toBeLessThan(order.indexOf(value));
  });

  it("gives the same order every time", () => {
    const build = () => {
      const [x, y] = [input("x", [2]), input("y", [2])];
      return formatListing({ outputs: { a: add(neg(x), mul(x, y)), b: neg(y) } });
    };
    expect(build()).toBe(build());
  });

  it("walks graphs that are deeper than the stack", () => {
    let x: Value = input("x", []);
    for (let i = 0; i < 200_000; i++) x = neg(x);
    expect(sortTopologically([x])).toHaveLength(200_001);
  });
});

describe("inputsOf", () => {
  it("lists the inputs and parameters that the outputs depend on, and nothing else", () => {
    const unused = input("unused", [2]);
    const graph = { outputs: { y: mul(input("x", [2]), parameter("w", [2])) } };
    expect(unused.kind).toBe("input");
    expect(listInputs(graph).map(({ kind, name }) => `${kind} ${name}`)).toEqual(["input x", "parameter w"]);
  });

  it("refuses two different values with the same name", () => {
    const graph = { outputs: { y: add(input("x", [2]), input("x", [2])) } };
    expect(() => listInputs(graph)).toThrow("The graph has two different values named x.");
  });
});

describe("listing", () => {
  it("has one line per node, with attributes, types and the first numbers of constants", () => {
    const x = input("x", [2, 1]);
    const w = parameter("w", [2, 3]);
    const table = constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const y = add(mul(x, w), table);
    const graph = { outputs: { y, twice: concat(y, mul(y, scalar(2)), { axis: 1 }) } };
    expect(formatListing(graph)).toMatchInlineSnapshot(`
      "input x float32[2,1]
      parameter w float32[2,3]
      %0 = mul(x, w) float32[2,3]
      %1 = add(%0, const(1 2 3 4 …)[2,3]) float32[2,3]
      %2 = mul(%1, 2) float32[2,3]
      %3 = concat(%1, %2) {axis: 1} float32[2,6]
      output y = %1
      output twice = %3
      "
    `);
  });
});
