/** Composites as local functions: what ONNX Runtime computes from them, and what the file contains. */
import { describe, expect, it } from "vitest";
import { layerNorm } from "../../../src/backend/graph/ops/normalization";
import { gradients } from "../../../src/backend/graph/autodiff";
import { dotProductAttention } from "../../../src/backend/graph/composites/attention";
import { adamw } from "../../../src/backend/graph/composites/updates";
import { outputOf } from "../../../src/backend/graph/composite";
import type { Graph } from "../../../src/backend/graph/graph";
import { buildModel, encodeModel } from "../../../src/backend/graph/onnx";
import { input, parameter } from "../../../src/backend/graph/op";
import { sum } from "../../../src/backend/graph/ops/reduction";
import { compositeCases } from "../../support/compositeCases";
import { expectSession } from "../../support/runGraph";

describe.each([true, false])("portable: %s", (portable) => {
  it.each(compositeCases)("$title: ONNX Runtime computes the same numbers from functions", async (each) => {
    const model = buildModel(each.graph, { portable, functions: true });
    expect(model.functions.length).toBeGreaterThan(0);
    await expectSession(each, encodeModel(model));
  });
});

const list = (graph: Graph) => buildModel(graph, { functions: true });
const heads = (rows: number) => [1, 2, rows, 4];

describe("functions", () => {
  it("are shared by calls of different sizes, which pass their sizes", () => {
    const attend = (name: string, rows: number) => {
      const [q, k, v] = ["q", "k", "v"].map((each) => input(`${name}.${each}`, heads(rows)));
      return dotProductAttention(q!, k!, v!, undefined, { scale: 0.5, causal: true });
    };
    const { nodes, functions } = list({ outputs: { a: attend("a", 3), b: attend("b", 5) } });
    expect(functions.map(({ name }) => name)).toEqual(["dotProductAttention"]);
    expect(nodes.map(({ opType, domain }) => `${domain}.${opType}`)).toEqual([
      "lathe.dotProductAttention",
      "lathe.dotProductAttention",
    ]);
  });

  it("have only the outputs that something reads, and only their nodes", () => {
    const [q, k, v] = ["q", "k", "v"].map((each) => parameter(each, heads(3)));
    const y = dotProductAttention(q!, k!, v!, undefined, { scale: 0.5, causal: true });
    const loss = sum(y, { axes: [0, 1, 2, 3], keepDims: false });
    const [dq] = gradients(loss, [q!]);
    const { functions } = list({ outputs: { loss, dq: dq! } });
    // The gradient's body does not read log Σ exp of the scores, so the forward pass does not compute it.
    expect(functions.map(({ name, output }) => [name, output.length])).toEqual([
      ["dotProductAttention", 1],
      ["dotProductAttentionGradient", 1],
    ]);
    expect(functions[0]!.nodes.map(({ opType }) => opType)).not.toContain("ReduceLogSumExp");
  });

  it("of one name differ if their nodes do", () => {
    const make = (beta1: number) =>
      adamw(
        ...(["p", "g", "m", "v"].map((name) => parameter(`${name}${beta1}`, [3])) as never as [
          never,
          never,
          never,
          never,
        ]),
        input(`s${beta1}`, []),
        input(`e${beta1}`, []),
        beta1 === 0.9 ? input("keep", []) : undefined,
        { beta1, beta2: 0.99 },
      );
    const [a, b, c] = [make(0.9), make(0.8), make(0.7)];
    const { functions, nodes } = list({ outputs: { a, b, m: outputOf(b, 1), c, d: outputOf(c, 1) } });
    expect(functions.map(({ name }) => name)).toEqual(["adamw", "adamw_2"]);
    expect(nodes.map(({ output }) => output)).toEqual([["a"], ["b", "m"], ["c", "d"]]);
  });

  it("leave primitive operations as they are", () => {
    const [x, w, b] = [input("x", [2, 4]), parameter("w", [4]), parameter("b", [4])];
    const { functions, nodes } = list({ outputs: { y: layerNorm(x, w, b, { epsilon: 1e-5 }) } });
    expect(functions).toEqual([]);
    expect(nodes.map(({ opType }) => opType)).toEqual(["LayerNormalization"]);
  });
});
