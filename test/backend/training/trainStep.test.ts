/** The graphs of a step, evaluated in plain TypeScript. */
import { describe, expect, it } from "vitest";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { listInputs } from "../../../src/backend/graph/graph";
import { sizeOf } from "../../../src/backend/graph/op";
import { createTrainee } from "../../../src/backend/training/trainee";
import {
  buildAccumulateStep,
  buildApplyStep,
  buildTrainStep,
  gradientName,
  type StatefulGraph,
} from "../../../src/backend/training/trainStep";
import { createUniform } from "../../support/sampleValues";
import { tinyNames, createTinyShape, createTrainOptions } from "../../support/tinyModels";

const batch = { rows: 2, length: 4, segments: false, positions: false };

/** Seeded numbers for all inputs of a graph. */
function feedsOf(graph: StatefulGraph): Record<string, number[]> {
  const feeds = listInputs(graph).map(({ name, type }) => {
    const random = createUniform(name.length * 31 + name.charCodeAt(name.length - 1));
    const draw = type.dtype === "int32" ? () => Math.floor(random() * 32) : () => random() - 0.5;
    return [name, Array.from({ length: sizeOf(type.shape) }, draw)] as const;
  });
  return Object.fromEntries(feeds);
}

describe.each(tinyNames)("the step of %s", (name) => {
  const trainee = createTrainee(createTinyShape(name, { layers: 1 }));
  const options = createTrainOptions({ optim: "sgd", max_grad_norm: 0, momentum: 0 });
  const fused = buildTrainStep(trainee, batch, options);
  const feeds = feedsOf(fused);
  const names = trainee.parameters.map((each) => each.name);
  const sumOfSquares = (numbers: Float64Array) => numbers.reduce((sum, each) => sum + each * each, 0);
  const accumulated = evaluateGraph(buildAccumulateStep(trainee, batch, options), {
    ...feeds,
    keep_gradients: [0],
    ...Object.fromEntries(
      trainee.parameters.map((each) => [gradientName(each.name), new Float64Array(sizeOf(each.shape))]),
    ),
  });
  const gradientOf = (parameter: string) => accumulated[`${gradientName(parameter)}:next`]!;

  it("trains every parameter, and names them in the order of the squares of their gradients", () => {
    expect([...fused.trained].sort()).toEqual([...names].sort());
    const squares = evaluateGraph(fused, feeds)["gradient_squares"]!;
    fused.trained.forEach((each, i) =>
      expect(squares[i], each).toBeCloseTo(sumOfSquares(gradientOf(each)), 12),
    );
    expect(new Set(squares).size).toBe(squares.length);
  });

  it("is the same in two parts: one graph accumulates gradients, the other applies them", () => {
    const apply = buildApplyStep(trainee, options);
    const gradients = Object.fromEntries(names.map((each) => [gradientName(each), gradientOf(each)]));
    const [whole, parts] = [evaluateGraph(fused, feeds), evaluateGraph(apply, { ...feeds, ...gradients })];
    expect(accumulated["loss"]).toEqual(whole["loss"]);
    for (const each of names) expect(parts[`${each}:next`], each).toEqual(whole[`${each}:next`]);
    apply.trained.forEach((each, i) =>
      expect(parts["gradient_squares"]![i], each).toBeCloseTo(sumOfSquares(gradientOf(each)), 12),
    );
  });

  it("adds to the gradients of earlier batches, unless it is the first of a step", () => {
    const graph = buildAccumulateStep(trainee, batch, options);
    const before = Object.fromEntries(
      trainee.parameters.map((each) => [
        gradientName(each.name),
        new Float64Array(sizeOf(each.shape)).fill(2),
      ]),
    );
    const later = evaluateGraph(graph, { ...feeds, ...before, keep_gradients: [1] });
    const first = evaluateGraph(graph, { ...feeds, ...before, keep_gradients: [0] });
    for (const each of names) {
      const state = `${gradientName(each)}:next`;
      expect(first[state], each).toEqual(gradientOf(each));
      expect(later[state], each).toEqual(gradientOf(each).map((number) => 2 + number));
    }
  });

  it("computes the gradients of the last layer first, while their values are in memory", () => {
    const order = fused.trained;
    const place = (part: string) => order.findIndex((each) => each.includes(part));
    const [embedding, layer, last] =
      name === "gpt2" ? ["wte", "h.0.mlp", "ln_f"] : ["embed", "layers.0.mlp", "model.norm"];
    expect(place(embedding)).toBeLessThan(place(layer));
    expect(place(layer)).toBeLessThan(place(last));
  });
});
