import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { openEngine } from "../../../src/backend/engine/open";
import type { Tensors } from "../../../src/backend/engine/engine";
import { listInputs } from "../../../src/backend/graph/graph";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { parametersOf } from "../../../src/backend/models/model";
import {
  classReferenceNames,
  type Reference,
  type ReferenceCase,
  readReference,
  createReferenceGraph,
  referenceNames,
  drawUniform,
} from "../../support/referenceModel";
import { computeRelativeError } from "../../support/sampleValues";

type Results = Readonly<Record<string, ArrayLike<number>>>;

/** A reference case as a graph with the outputs `logits`, `loss` and one gradient per tensor. */
function withGradients(reference: Reference, wanted: ReferenceCase) {
  const { logits, loss, weights, feeds } = createReferenceGraph(reference, wanted);
  const found = gradients(loss, [...weights.values()]);
  const outputs = Object.fromEntries([...weights.keys()].map((name, i) => [gradientOf(name), found[i]!]));
  return { graph: { outputs: { logits, loss, ...outputs } }, feeds };
}

const negligible = 1e-6;

const gradientOf = (name: string) => `gradient of ${name}`;

/** The largest difference from Hugging Face's results, relative to the largest number of each tensor. */
function largestError(results: Results, wanted: ReferenceCase, { bound, config }: Reference): number {
  const vocabulary = (config["num_labels"] ?? config["vocab_size"]) as number;
  const logits = Array.from(results["logits"]!);
  const rows = wanted.logits.rows.flatMap((row) => logits.slice(row * vocabulary, (row + 1) * vocabulary));
  const errors = [
    computeRelativeError(results["loss"]!, [wanted.loss]),
    computeRelativeError(rows, wanted.logits.values),
  ];
  const most = Math.max(...Object.values(wanted.gradients).map(({ norm }) => norm));
  for (const [name, { norm, probe, values }] of Object.entries(wanted.gradients)) {
    const gradient = Array.from(results[gradientOf(name)]!);
    // A key bias shifts all scores of a query equally, so its gradient is only rounding error.
    if (norm < negligible * most) {
      errors.push(Math.hypot(...gradient) < negligible * most ? 0 : Infinity);
      continue;
    }
    const probing = Float32Array.from(drawUniform(`${name}#probe`, gradient.length, bound));
    const product = gradient.reduce((total, each, i) => total + each * probing[i]!, 0);
    errors.push(computeRelativeError([Math.hypot(...gradient)], [norm]), Math.abs(product - probe) / norm);
    if (values !== undefined) errors.push(computeRelativeError(gradient, values));
  }
  return Math.max(...errors);
}

describe.each([...referenceNames, ...classReferenceNames])("%s", (name) => {
  const reference = readReference(name);

  it("has the same tensors as Hugging Face", () => {
    const { shape } = createReferenceGraph(reference, reference.cases[0]!);
    const ours = Object.fromEntries(parametersOf(shape).map((spec) => [spec.name, spec.shape]));
    expect(ours).toEqual(reference.tensors);
  });

  it.each(reference.cases)("has Hugging Face's logits, loss and gradients, $name", (wanted) => {
    const { graph, feeds } = withGradients(reference, wanted);
    expect(largestError(evaluateGraph(graph, feeds), wanted, reference)).toBeLessThan(2e-5);
  });

  it.each(reference.cases)("has the same in single precision on the CPU, $name", async (wanted) => {
    const { graph, feeds } = withGradients(reference, wanted);
    await using engine = await openEngine("cpu", { threads: 1 });
    await using program = await engine.compile(graph);
    const given = listInputs(graph).map(({ name, type }) => {
      const numbers = feeds[name]!;
      const data = type.dtype === "int32" ? Int32Array.from(numbers) : Float32Array.from(numbers);
      return [name, engine.upload(type, data)];
    });
    const tensors = await program.run(Object.fromEntries(given) as Tensors);
    const results: Record<string, ArrayLike<number>> = {};
    for (const [name, tensor] of Object.entries(tensors))
      results[name] = (await tensor.read()) as Float32Array;
    expect(largestError(results, wanted, reference)).toBeLessThan(1e-4);
  });
});
