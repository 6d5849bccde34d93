/** ALPS against the formulas of the paper in PyTorch, and its properties. */
import { readFileSync } from "node:fs";
import { expect, describe, it } from "vitest";
import { methods } from "../../../src/backend/methods/catalog";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { listMatrixSlots } from "../../../src/backend/models/model";
import { plainLab } from "../../support/lab";
import { applied, correlated, denseOf, errorOf, labWithInputs, role, sizesOf, tiny } from "./shrinkSamples";

interface Figures {
  readonly gram: readonly number[];
  readonly dense: readonly number[];
  readonly cases: Readonly<
    Record<string, { readonly mask: string; readonly weights: readonly number[]; readonly error: number }>
  >;
}
const figures = JSON.parse(
  readFileSync(new URL("../../fixtures/alps.json", import.meta.url), "utf8"),
) as Figures;
const alps = methods["alps"]!;
const published = { as: "published", calibration: { samples: 1 } } as const;

/** The tiny model with these weights [inputs, outputs] in the matrix. */
function withWeights(model: Checkpoint, weights: readonly number[]): Checkpoint {
  const { matrix } = listMatrixSlots(model.shape).find((slot) => slot.matrix.role === role)!;
  const [inputs, outputs] = sizesOf(model);
  const data = Float32Array.from(
    weights,
    (_, i) => weights[(i % inputs) * outputs + Math.floor(i / inputs)]!,
  );
  const name = `${matrix.name}.weight`;
  return { ...model, tensors: new Map(model.tensors).set(name, { shape: [outputs, inputs], data }) };
}

describe("ALPS", () => {
  it.each(Object.keys(figures.cases))(
    "finds the mask and the weights of the paper's formulas at %s",
    async (name) => {
      const model = withWeights(tiny(), figures.dense);
      const [inputs] = sizesOf(model);
      const gram = Float64Array.from(figures.gram);
      const lab = labWithInputs(new Float64Array(inputs), inputs, [], { gram });
      const given = name === "2:4" ? { mask_structure: name } : { sparsity: Number(name) };
      const found = denseOf(await applied(alps, { ...published, ...given }, model, lab));
      const { mask, weights } = figures.cases[name]!;
      // No two weights are equally large, so that none of the mask may differ.
      expect(Array.from(found, (each) => (each === 0 ? "0" : "1")).join("")).toBe(mask);
      const kept = Array.from(found).filter((each) => each !== 0);
      kept.forEach((each, i) => expect(Math.abs(each - weights[i]!)).toBeLessThan(1e-4));
    },
  );

  it.each([0.5, 0.8])(
    "comes nearer to the outputs than other methods at a sparsity of %d",
    async (sparsity) => {
      const model = tiny();
      const [inputs, outputs] = sizesOf(model);
      const x = correlated(60, inputs, 9);
      const errorWith = async (name: string, given: object) => {
        const options = { ...published, sparsity, ...given };
        const after = await applied(methods[name]!, options, model, labWithInputs(x, inputs));
        return errorOf(denseOf(model), denseOf(after), outputs, x);
      };
      const error = await errorWith("alps", {});
      expect(error).toBeLessThan(await errorWith("sparsegpt", {}));
      expect(error).toBeLessThan(await errorWith("wanda", { refit: 20 }));
    },
  );

  it("keeps what was pruned before pruned", async () => {
    const before = await applied(methods["magnitude"]!, { sparsity: 0.4 }, tiny(), plainLab);
    const [inputs] = sizesOf(before);
    const lab = labWithInputs(correlated(60, inputs, 9), inputs);
    const after = denseOf(await applied(alps, { ...published, sparsity: 0.7 }, before, lab));
    denseOf(before).forEach((each, i) => each === 0 && expect(after[i]).toBe(0));
    expect(after.filter((each) => each === 0)).toHaveLength(Math.floor(0.7 * after.length));
  });
});
