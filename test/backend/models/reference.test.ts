import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { parametersOf } from "../../../src/backend/models/model";
import { readReference, referenceGraph, referenceNames, uniform } from "../../support/referenceModel";

/** The largest difference, relative to the largest number there. */
function distance(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < wanted.length; i++) {
    difference = Math.max(difference, Math.abs(found[i]! - wanted[i]!));
    size = Math.max(size, Math.abs(wanted[i]!));
  }
  return difference / size;
}

describe.each(referenceNames)("%s", (name) => {
  const reference = readReference(name);

  it("has the tensors that Hugging Face has", () => {
    const { shape } = referenceGraph(reference, reference.cases[0]!);
    const ours = Object.fromEntries(parametersOf(shape).map((spec) => [spec.name, spec.shape]));
    expect(ours).toEqual(reference.tensors);
  });

  it.each(reference.cases)("agrees with Hugging Face on logits, loss and gradients, $name", (wanted) => {
    const { logits, loss, weights, feeds } = referenceGraph(reference, wanted);
    const wrt = [...weights.values()];
    const found = gradients(loss, wrt);
    const outputs = Object.fromEntries([...weights.keys()].map((each, i) => [`grad ${each}`, found[i]!]));
    const results = evaluateGraph({ outputs: { logits, loss, ...outputs } }, feeds);

    expect(Math.abs(results["loss"]![0]! - wanted.loss) / wanted.loss).toBeLessThan(1e-5);
    const vocabulary = logits.type.shape[1]!;
    const rows = wanted.logits.rows.flatMap((row) => [
      ...results["logits"]!.subarray(row * vocabulary, (row + 1) * vocabulary),
    ]);
    expect(distance(rows, wanted.logits.values)).toBeLessThan(1e-5);
    for (const [tensor, { norm, probe, values }] of Object.entries(wanted.gradients)) {
      const gradient = results[`grad ${tensor}`]!;
      const probing = Float32Array.from(uniform(`${tensor}#probe`, gradient.length, reference.bound));
      const product = gradient.reduce((total, each, i) => total + each * probing[i]!, 0);
      expect(Math.abs(Math.hypot(...gradient) - norm) / norm, `norm of ${tensor}`).toBeLessThan(1e-5);
      expect(Math.abs(product - probe) / norm, `projection of ${tensor}`).toBeLessThan(1e-5);
      if (values !== undefined) expect(distance(gradient, values), tensor).toBeLessThan(1e-4);
    }
  });
});
