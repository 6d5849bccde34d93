/** Masks by trained scores against PyTorch's autograd (scripts/reference/movement.py). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, parameter } from "../../../src/backend/graph/op";
import { sub } from "../../../src/backend/graph/ops/elementwise";
import { matmul } from "../../../src/backend/graph/ops/matmul";
import { sumSquares } from "../../../src/backend/graph/ops/reduction";
import { maskByScores } from "../../../src/backend/training/movingMasks";
import { computeRelativeError } from "../../support/sampleValues";

interface Tensors {
  readonly weight: readonly number[];
  readonly scores: readonly number[];
}
interface Figures {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly threshold: number;
  readonly start: Tensors;
  readonly steps: readonly (Tensors & { readonly loss: number })[];
  readonly final: readonly number[];
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/movement.json", import.meta.url), "utf8"),
) as Figures;

const [weight, scores] = [parameter("weight", [6, 4]), parameter("scores", [6, 4])];
const product = matmul(input("x", [8, 6]), maskByScores(weight, scores, input("threshold", [1])));
const loss = sumSquares(sub(product, input("y", [8, 4])), { axes: [0, 1], keepDims: false });
const [ofWeight, ofScores] = gradients(loss, [weight, scores]);

function evaluate(values: Tensors) {
  const feeds = { x: figures.x, y: figures.y, threshold: [figures.threshold], ...values };
  return evaluateGraph(
    { outputs: { loss, weight: ofWeight!, scores: ofScores! } },
    Object.fromEntries(Object.entries(feeds).map(([name, data]) => [name, [...data]])),
  );
}

it("has PyTorch's losses, gradients and scores over six steps of gradient descent", () => {
  let values = figures.start;
  for (const step of figures.steps) {
    const found = evaluate(values);
    expect(found["loss"]![0]).toBeCloseTo(step.loss, 8);
    for (const name of ["weight", "scores"] as const)
      expect(computeRelativeError(found[name]!, step[name])).toBeLessThan(1e-9);
    const move = (name: keyof Tensors) => values[name].map((each, i) => each - 0.02 * found[name]![i]!);
    values = { weight: move("weight"), scores: move("scores") };
  }
  expect(computeRelativeError(values.scores, figures.final)).toBeLessThan(1e-9);
});

it("has scores whose gradient is that of the masked weight times the weight, masked or not", () => {
  const { start, threshold } = figures;
  const masked = start.scores.map((score) => score <= threshold);
  expect(masked.filter(Boolean)).toHaveLength(16);
  const found = evaluate(start);
  masked.forEach((isMasked, i) => {
    // The gradient of a weight is that of the masked weight times its mask.
    if (isMasked) expect(found["weight"]![i]).toBeCloseTo(0, 12);
    else expect(found["scores"]![i]).toBeCloseTo(found["weight"]![i]! * start.weight[i]!, 9);
    expect(found["scores"]![i]).not.toBe(0);
  });
});
