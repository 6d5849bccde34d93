/** Every layout of a grouped block computes the same as the representation, forward and backward. */
import { describe, expect, it } from "vitest";
import { measureGroupedBlock } from "../../../src/backend/bench/groupedBlock";
import { layouts } from "../../../src/backend/bench/groupedLayouts";
import { openEngine } from "../../../src/backend/engine/open";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { sortTopologically } from "../../../src/backend/graph/graph";
import {
  multiplyBatched,
  type BlockSizes,
  multiplyGrouped,
  type Layout,
  multiplyStacked,
} from "../../../src/backend/representations/groupedProduct";
import { constant, parameter, sizeOf } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { sum } from "../../../src/backend/graph/ops/reduction";
import grouped from "../../../src/backend/representations/grouped";
import { createUniform } from "../../support/sampleValues";
import { createMatrixSpec } from "../../support/matrix";

const sizes: BlockSizes = { rows: 5, groups: 3, n: 4, o: 2 };
const [inputs, outputs] = [sizes.groups * sizes.n, sizes.groups * sizes.o];
const random = createUniform(5);
const draw = (count: number) => Float32Array.from({ length: count }, () => random() - 0.5);
const weight = [sizes.groups, sizes.n, sizes.o];
const feeds = { x: draw(sizes.rows * inputs), a: draw(sizeOf(weight)), b: draw(sizeOf(weight)) };
const dy = constant(draw(sizes.rows * outputs), [sizes.rows, outputs]);

const matrix = createMatrixSpec(inputs, outputs, { init: { kind: "zeros" } });
const representation: Layout = (x, a, b) =>
  grouped.apply(x, (name) => (name.includes("first") ? a : b), matrix, {
    min_channels_per_group: sizes.n,
    init: "paper",
  });

function outputsOf(layout: Layout) {
  const wrt = [parameter("x", [sizes.rows, inputs]), parameter("a", weight), parameter("b", weight)] as const;
  const y = layout(...wrt, sizes);
  const found = gradients(sum(mul(y, dy), { axes: [0, 1], keepDims: false }), wrt);
  return { y, dx: found[0]!, da: found[1]!, db: found[2]! };
}

describe("a layout of a grouped block", () => {
  const wanted = evaluateGraph({ outputs: outputsOf(representation) }, feeds);

  it.each(Object.keys(layouts))(
    "%s gives the output and the gradients of the representation",
    async (name) => {
      const graph = { outputs: outputsOf(layouts[name]!) };
      const plain = evaluateGraph(graph, feeds);
      await using engine = await openEngine("cpu", { threads: 1 });
      await using program = await engine.compile(graph);
      const types = { x: [sizes.rows, inputs], a: weight, b: weight };
      const results = await program.run(
        Object.fromEntries(
          Object.entries(types).map(([key, shape]) => [
            key,
            engine.upload({ dtype: "float32", shape }, feeds[key as keyof typeof feeds].slice()),
          ]),
        ),
      );
      for (const [output, numbers] of Object.entries(wanted)) {
        const computed = await results[output]!.read();
        numbers.forEach((each, i) => {
          expect(plain[output]![i], output).toBeCloseTo(each, 12);
          expect(Number(computed[i]), output).toBeCloseTo(each, 5);
        });
      }
    },
  );

  it("is stacked for large blocks, else batched, with the same results", () => {
    const products = (size: BlockSizes, layout: Layout) => {
      const { rows, groups, n, o } = size;
      const [x, a, b] = [
        parameter("x", [rows, groups * n]),
        parameter("a", [groups, n, o]),
        parameter("b", [groups, n, o]),
      ];
      const graph = { outputs: { y: layout(x, a, b, size) } };
      const matmuls = sortTopologically([graph.outputs.y]).filter(
        (each) => each.kind === "apply" && each.op.name === "matmul",
      );
      const numbers = { x: draw(rows * groups * n), a: draw(groups * n * o), b: draw(groups * n * o) };
      return { graph, numbers, count: matmuls.length };
    };
    const large: BlockSizes = { rows: 1024, groups: 2, n: 128, o: 1 };
    expect(products(sizes, multiplyGrouped).count).toBe(2);
    expect(products({ ...large, rows: 256 }, multiplyGrouped).count).toBe(2);
    const { graph, numbers, count } = products(large, multiplyGrouped);
    expect(count).toBe(1);
    const found = evaluateGraph(graph, numbers)["y"]!;
    const wanted = evaluateGraph(products(large, multiplyBatched).graph, numbers)["y"]!;
    wanted.forEach((each, i) => expect(found[i]).toBeCloseTo(each, 12));
    expect(layouts).toMatchObject({ batched: multiplyBatched, stacked: multiplyStacked });
  });

  it("is timed together with the dense layer, for each pass and size", async () => {
    await using engine = await openEngine("cpu", { threads: 1 });
    const rows = [];
    for await (const row of measureGroupedBlock(engine, { widths: [24], rows: [4, 8], rounds: 1 }))
      rows.push(row);
    expect(rows.map(({ width, rows: count, pass }) => [width, count, pass])).toEqual([
      [24, 4, "forward"],
      [24, 4, "forward and backward"],
      [24, 8, "forward"],
      [24, 8, "forward and backward"],
    ]);
    for (const { speedup } of rows) {
      expect(Object.keys(speedup)).toEqual(Object.keys(layouts));
      for (const each of Object.values(speedup)) expect(each).toBeGreaterThan(0);
    }
  });
});
