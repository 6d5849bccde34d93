/** Causal attention in blocks of queries gives the numbers of attention at once. */
import { expect, it } from "vitest";
import { pullBack } from "../../../src/backend/graph/autodiff";
import { attendInBlocks, dotProductAttention } from "../../../src/backend/graph/composites/attention";
import { countModelProductFlops, countProductFlops } from "../../../src/backend/graph/cost";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, type Value } from "../../../src/backend/graph/op";
import { concat } from "../../../src/backend/graph/ops/movement";
import { createUniform } from "../../support/sampleValues";

const attrs = { scale: 0.5, causal: true };

/** Outputs of `heads` query heads that share one key head, and their gradients in q, k and v. */
function build(rows: number, keys: number, size: number, bias?: Value) {
  const [q, k, v] = [input("q", [2, 1, rows, 3]), input("k", [2, 1, keys, 3]), input("v", [2, 1, keys, 3])];
  const blocks = attendInBlocks([q, k, v, bias], attrs, size);
  const mixed = concat(...blocks.map((block) => block.mixed), { axis: 2 });
  const [dq, dk, dv] = pullBack(new Map([[mixed, input("dy", [2, 1, rows, 3])]]), [q, k, v]);
  return { count: blocks.length, graph: { outputs: { mixed, dq: dq!, dk: dk!, dv: dv! } } };
}

function drawFeeds(rows: number, keys: number) {
  const random = createUniform(3);
  const draw = (size: number) => Float64Array.from({ length: size }, () => 2 * random() - 1);
  return {
    q: draw(6 * rows),
    k: draw(6 * keys),
    v: draw(6 * keys),
    dy: draw(6 * rows),
    bias: draw(rows * keys),
  };
}

for (const [rows, keys, size, count] of [
  [6, 6, 3, 2],
  [7, 7, 3, 3],
  [4, 6, 2, 2],
] as const)
  it(`${rows} queries of ${keys} keys in blocks of ${size}`, () => {
    const feeds = drawFeeds(rows, keys);
    for (const bias of [undefined, input("bias", [rows, keys])]) {
      const [whole, inBlocks] = [build(rows, keys, rows, bias), build(rows, keys, size, bias)];
      expect([whole.count, inBlocks.count]).toEqual([1, count]);
      const [wanted, got] = [evaluateGraph(whole.graph, feeds), evaluateGraph(inBlocks.graph, feeds)];
      for (const name of ["mixed", "dq", "dk", "dv"])
        got[name]!.forEach((each, i) => expect(each).toBeCloseTo(wanted[name]![i]!, 12));
      expect(countProductFlops(inBlocks.graph)).toBeLessThan(countProductFlops(whole.graph));
    }
  });

it("skips masked scores from two blocks of queries", () => {
  const build = (time: number, causal: boolean) => {
    const [q, k, v] = ["q", "k", "v"].map((name) => input(name, [1, 1, time, 4]));
    return { outputs: { y: dotProductAttention(q!, k!, v!, undefined, { scale: 0.5, causal }) } };
  };
  const attend = (time: number, causal: boolean) => countProductFlops(build(time, causal));
  expect(attend(128, true)).toBe(attend(128, false));
  expect(attend(256, true)).toBe(0.75 * attend(256, false));
  expect(attend(512, true)).toBe(0.625 * attend(512, false));
  expect(countModelProductFlops(build(512, true))).toBe(attend(512, false));
});
