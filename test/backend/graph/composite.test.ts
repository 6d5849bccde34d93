import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { bodyOf, type CompositeCall, defineComposite, outputOf } from "../../../src/backend/graph/composite";
import { layerNormGradient } from "../../../src/backend/graph/composites/norms";
import { countProductFlops, estimateMemory } from "../../../src/backend/graph/cost";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { expandComposites } from "../../../src/backend/graph/expand";
import { sortTopologically } from "../../../src/backend/graph/graph";
import { formatListing } from "../../../src/backend/graph/listing";
import { encodeOnnx } from "../../../src/backend/graph/onnx";
import { input, parameter, type Value } from "../../../src/backend/graph/op";
import { add, exp, mul, sub } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { computeCentralDifferences, computeRelativeError } from "../../support/sampleValues";

/** a·b and e^a - b, without a gradient of its own. */
const productAndGap = defineComposite<[Value, Value]>({
  name: "productAndGap",
  body: ([a, b]) => [mul(a, b), sub(exp(a), b)],
  samples: [],
});
/** Calls another composite twice. */
const nested = defineComposite<[Value, Value]>({
  name: "nested",
  body: ([a, b]) => {
    const first = productAndGap(a, b);
    return [productAndGap(first, outputOf(first, 1))];
  },
  samples: [],
});

const shape = [2, 3];
const [a, b] = [parameter("a", shape), parameter("b", shape)];
const feeds = { a: [0.1, -0.4, 0.8, 0.3, -0.9, 0.5], b: [1.1, 0.2, -0.7, 0.6, 0.4, -0.3] };
const total = (x: Value) => sum(x, { axes: [0, 1], keepDims: false });
const countNodes = (outputs: readonly Value[], name: string) =>
  sortTopologically(outputs).filter((each) => each.kind === "apply" && each.op.name === name).length;

describe("a composite", () => {
  it("is one node of a graph with several outputs, and lists its body once", () => {
    const call = productAndGap(a, b);
    const again = productAndGap(call, b);
    expect(formatListing({ outputs: { y: outputOf(again, 1), z: outputOf(call, 1) } }))
      .toMatchInlineSnapshot(`
      "parameter a float32[2,3]
      parameter b float32[2,3]
      %0 = productAndGap(a, b) float32[2,3]
      %1 = productAndGap(%0, b) float32[2,3]
      output y = %1.1
      output z = %0.1

      body of productAndGap
        input x0 float32[2,3]
        input x1 float32[2,3]
        %0 = mul(x0, x1) float32[2,3]
        %1 = exp(x0) float32[2,3]
        %2 = sub(%1, x1) float32[2,3]
        output 0 = %0
        output 1 = %2
      "
    `);
  });

  it("evaluates to what its body evaluates to", () => {
    const call = productAndGap(a, b);
    const { y, z } = evaluateGraph({ outputs: { y: call, z: outputOf(call, 1) } }, feeds);
    expect(Array.from(y!)).toEqual(feeds.a.map((each, i) => each * feeds.b[i]!));
    expect(Array.from(z!)).toEqual(feeds.a.map((each, i) => Math.exp(each) - feeds.b[i]!));
  });

  it.each([
    ["the first output", () => total(productAndGap(a, b))],
    ["the second output", () => total(outputOf(productAndGap(a, b), 1))],
    [
      "both outputs",
      () => {
        const call = productAndGap(a, b);
        return total(mul(call, outputOf(call, 1)));
      },
    ],
    ["the same value as both inputs", () => total(productAndGap(a, a))],
    ["composites in its body", () => total(nested(a, b))],
  ] as const)("has the gradient of its body: %s", (_, build) => {
    const loss = build();
    const [da, db] = gradients(loss, [a, b]);
    const got = evaluateGraph({ outputs: { da: da!, db: db! } }, feeds);
    const wanted = (name: string) => computeCentralDifferences(loss, { ...feeds }, name);
    expect(computeRelativeError(got.da!, wanted("a"))).toBeLessThan(1e-8);
    expect(computeRelativeError(got.db!, wanted("b"))).toBeLessThan(1e-8);
  });

  it("names itself and its inputs if they do not fit", () => {
    expect(() => layerNormGradient(a, parameter("w", [5]), b, { epsilon: 1 })).toThrow(
      /Operation layerNormGradient \(input 0 "a" float32 \[2, 3\]; input 1 "w" float32 \[5\]/,
    );
    expect(() => outputOf(productAndGap(a, b), 2)).toThrow("productAndGap has no output 2.");
    expect(() => outputOf(add(a, b), 1)).toThrow("Only a call of a composite has several outputs.");
  });

  it("shares one body between calls of the same types", () => {
    const calls = [productAndGap(a, b), productAndGap(b, a)] as CompositeCall[];
    expect(bodyOf(calls[0]!)).toBe(bodyOf(calls[1]!));
  });
});

describe("expandComposites", () => {
  it("leaves primitives only, without the outputs that nothing reads", () => {
    const { y } = expandComposites({ outputs: { y: nested(a, b) } }).outputs;
    expect([
      countNodes([y!], "nested"),
      countNodes([y!], "productAndGap"),
      countNodes([y!], "output"),
    ]).toEqual([0, 0, 0]);
    expect([countNodes([y!], "mul"), countNodes([y!], "exp")]).toEqual([2, 1]);
  });

  it("computes equal parts of bodies once, unless it must not", () => {
    const outputs = { y: productAndGap(a, b), z: outputOf(productAndGap(a, b), 1), w: mul(a, b) };
    const count = (merges: boolean) =>
      countNodes(Object.values(expandComposites({ outputs }, { merges }).outputs), "mul");
    expect([count(true), count(false)]).toEqual([1, 2]);
  });

  it("keeps the calls that an executor has a kernel for", () => {
    const { y } = expandComposites(
      { outputs: { y: nested(a, b) } },
      { keeps: ({ op }) => op.name === "productAndGap" },
    ).outputs;
    expect([countNodes([y!], "nested"), countNodes([y!], "productAndGap")]).toEqual([0, 2]);
    expect(evaluateGraph({ outputs: { y: y! } }, feeds)).toEqual(
      evaluateGraph({ outputs: { y: nested(a, b) } }, feeds),
    );
  });

  it("is what costs, memory and the ONNX form are those of", () => {
    const product = defineComposite<[Value, Value]>({
      name: "product",
      body: ([x, w]) => [matmul(exp(x), w)],
      samples: [],
    });
    const [x, w] = [input("x", [4, 8]), parameter("w", [8, 2])];
    const [call, plain] = [{ outputs: { y: product(x, w) } }, { outputs: { y: matmul(exp(x), w) } }];
    expect(countProductFlops(call)).toBe(countProductFlops(plain));
    expect(estimateMemory(call)).toEqual(estimateMemory(plain));
    expect(Buffer.compare(encodeOnnx(call), encodeOnnx(plain))).toBe(0);
  });
});
