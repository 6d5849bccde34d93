/** Elementwise composites in blocks: the same numbers as whole, and whole where no blocks are possible. */
import { describe, expect, it } from "vitest";
import { openEngine } from "../../../src/backend/engine/open";
import { findBlockSize } from "../../../src/backend/graph/blocks";
import { type CompositeCall, isCall } from "../../../src/backend/graph/composite";
import {
  geluGradient,
  geluTanhGradient,
  siluGradient,
} from "../../../src/backend/graph/composites/activations";
import { expandComposites } from "../../../src/backend/graph/expand";
import { asBuffer, buildModel, encodeModel, encodeOnnx } from "../../../src/backend/graph/onnx";
import { input, type Shape, type Value } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { catalogComposites } from "../../support/compositeCases";
import { expectSession, runOn } from "../../support/runGraph";
import { drawInputs } from "../../support/sampleValues";

const gradientsByName: Readonly<Record<string, (x: Value, y: Value, dy: Value) => Value>> = {
  geluGradient: (x, _, dy) => geluGradient(x, dy),
  geluTanhGradient,
  siluGradient,
};

function createCase(name: string, shape: Shape) {
  const drawn = drawInputs({ inputs: [shape, shape, shape], range: [-4, 4], attrs: {} }, 7);
  const [x, y, dy] = drawn.map(({ value }) => value) as [Value, Value, Value];
  const dx = gradientsByName[name]!(x, y, mul(dy, x));
  return { title: name, drawn, graph: { outputs: { dx, square: mul(dx, dx) } } };
}

it("every elementwise composite is tried here", () => {
  const names = catalogComposites.filter(({ elementwise }) => elementwise === true).map(({ name }) => name);
  expect(names.toSorted()).toEqual(Object.keys(gradientsByName).toSorted());
});

describe.each(Object.keys(gradientsByName))("%s", (name) => {
  it.each([{ shape: [64, 6] }, { shape: [2, 16, 12] }])("computes $shape in blocks", async ({ shape }) => {
    const each = createCase(name, shape);
    const model = buildModel(each.graph, { blockSize: 12 });
    expect(model.nodes.map(({ opType }) => opType)).toContain("Scan");
    await expectSession(each, encodeModel(model));
  });

  it("gives the same numbers in the blocks of the engine as whole", async () => {
    await using engine = await openEngine("cpu", { threads: 1 });
    const each = createCase(name, [1024, 513]);
    expect(engine.keeps(each.graph.outputs.dx as CompositeCall)).toBe(true);
    const whole = { ...each, graph: expandComposites(each.graph) };
    const [own, wanted] = [await runOn(engine, each), await runOn(engine, whole)];
    for (const output of ["dx", "square"])
      expect(Buffer.compare(asBuffer(own[output]!), asBuffer(wanted[output]!)), output).toBe(0);
  });
});

describe("the size of a block", () => {
  const find = (size: number, most: number) => {
    const [x, dy] = ["x", "dy"].map((name) => input(name, [size]));
    const call = geluGradient(x!, dy!);
    return isCall(call) ? findBlockSize(call, most) : undefined;
  };

  it("is the largest that divides the tensor", () => {
    expect(find(3200, 100)).toBe(100);
    expect(find(3201, 100)).toBe(97);
  });

  it("is undefined for tensors that are small or have no such divisor", () => {
    expect(find(3100, 100)).toBeUndefined();
    expect(find(3203, 100)).toBeUndefined();
  });

  it("is not used in files for other runtimes", () => {
    const { graph } = createCase("geluTanhGradient", [64, 6]);
    expect(Buffer.from(encodeOnnx(graph, { portable: true })).includes("Scan")).toBe(false);
  });
});
