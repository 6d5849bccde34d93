/** Weights inside a mask and weights for original outputs solve the normal equations of their problems. */
import { describe, expect, it } from "vitest";
import { loopAlgebra } from "../../../src/backend/compression/algebra/products";
import { dampGram, solveInsideMask } from "../../../src/backend/compression/algebra/leastSquares";
import { matchOutputs } from "../../../src/backend/compression/calibration/matchOutputs";
import { refitKept } from "../../../src/backend/compression/pruning/refit";
import { selectTargets } from "../../../src/backend/compression/targets";
import { multiply } from "../../../src/backend/compression/algebra/linearAlgebra";
import { withRepresentations } from "../../../src/backend/models/model";
import type { HostTensor } from "../../../src/backend/checkpoints/safetensors";
import { createTinyShape } from "../../support/subject";
import { createUniform } from "../../support/sampleValues";
import { correlated, gramOf, role } from "../methods/shrinkSamples";

const [inputs, rows] = [16, 60];
const random = createUniform(5);
const draw = (length: number) => Float32Array.from({ length }, () => 2 * random() - 1);
const x = correlated(rows, inputs, 3);
const gram = gramOf(x, inputs);

/** The gradient (H·Ŵ − B) of ½·tr(ŴᵀHŴ) − tr(BᵀŴ). */
function gradientOf(h: Float64Array, weights: ArrayLike<number>, right: Float64Array): Float64Array {
  const outputs = right.length / inputs;
  return multiply(h, weights, [inputs, inputs, outputs]).map((each, i) => each - right[i]!);
}

describe("weights inside a mask", () => {
  const outputs = 6;
  const weights = draw(inputs * outputs);
  const mask = Uint8Array.from(weights, () => (random() < 0.5 ? 1 : 0));
  const h = dampGram(gram, inputs, 0.01);
  const right = multiply(h, weights, [inputs, inputs, outputs]);
  const solve = (steps: number) =>
    solveInsideMask(loopAlgebra, h, right, mask, weights, { inputs, outputs }, steps);

  it("are the least squares once there are as many steps as inputs", async () => {
    const solved = await solve(inputs);
    gradientOf(h, solved, right).forEach((each, i) => {
      if (mask[i] === 0) expect(solved[i]).toBe(0);
      else expect(Math.abs(each)).toBeLessThan(1e-6);
    });
  });

  it("come nearer with each step", async () => {
    const errors: number[] = [];
    for (const steps of [0, 1, 2, 4, 8, 16]) {
      const solved = await solve(steps);
      const lost = solved.map((each, i) => each - weights[i]!);
      errors.push(
        lost.reduce((sum, each, i) => sum + each * multiply(h, lost, [inputs, inputs, outputs])[i]!, 0),
      );
    }
    for (const [i, error] of errors.slice(1).entries()) expect(error).toBeLessThan(errors[i]!);
  });

  it("stay finite where an input, or everything, is zero", async () => {
    const dead = gram.map((each, i) => (i % inputs === 3 || Math.floor(i / inputs) === 3 ? 0 : each));
    for (const each of [dead, new Float64Array(gram.length)]) {
      const solved = await solveInsideMask(
        loopAlgebra,
        each,
        multiply(each, weights, [inputs, inputs, outputs]),
        mask,
        weights,
        { inputs, outputs },
        40,
      );
      expect(solved.every(Number.isFinite)).toBe(true);
    }
  });
});

describe.each(["llama", "gpt2"])("a matrix of %s", (family) => {
  const shape = createTinyShape(family);
  const [target] = selectTargets(shape, { targets: role });
  const { matrix } = target!;
  const { outputs, layout } = matrix;
  const stored = draw(inputs * outputs);
  /** From the order of the stored tensor to [inputs, outputs]. */
  const turn = (data: ArrayLike<number>) =>
    Float64Array.from(data, (_, i) =>
      layout === "in_out" ? data[i]! : data[(i % outputs) * inputs + Math.floor(i / outputs)]!,
    );
  const mask = Uint8Array.from(stored, () => (random() < 0.4 ? 1 : 0));
  const h = dampGram(gram, inputs, 0.01);

  it("is refitted in the order of its tensor", async () => {
    const start = stored.map((each, i) => each * mask[i]!);
    const refitted = await refitKept(loopAlgebra, matrix, stored, start, mask, gram, 3 * inputs);
    const right = multiply(h, turn(stored), [inputs, inputs, outputs]);
    const gradient = gradientOf(h, turn(refitted), right);
    turn(mask).forEach((kept, i) => {
      if (kept === 0) expect(turn(refitted)[i]).toBe(0);
      else expect(Math.abs(gradient[i]!)).toBeLessThan(1e-4);
    });
    const all = new Uint8Array(mask.length).fill(1);
    expect(await refitKept(loopAlgebra, matrix, stored, stored, all, gram, 5)).toBe(stored);
  });

  it("gets the weights that come nearest to the original outputs, with zeros where it is pruned", async () => {
    // The original inputs X are those of the shrunk model and some noise.
    const original = x.map((each) => each + 0.3 * (2 * random() - 1));
    const drift = new Float64Array(inputs * inputs);
    for (let row = 0; row < rows; row++)
      for (let i = 0; i < inputs; i++)
        for (let j = 0; j < inputs; j++)
          drift[i * inputs + j]! +=
            x[row * inputs + i]! * (original[row * inputs + j]! - x[row * inputs + j]!);
    const masked = withRepresentations(shape, { [role]: { type: "masked", options: {} } });
    for (const pruned of [false, true]) {
      const [own] = selectTargets(pruned ? masked : shape, { targets: role });
      const name = `${matrix.name}.weight`;
      const size = layout === "in_out" ? [inputs, outputs] : [outputs, inputs];
      const tensors = new Map<string, HostTensor>([
        [name, { shape: size, data: stored }],
        [`${name}_mask`, { shape: size, data: mask }],
      ]);
      await matchOutputs(loopAlgebra, tensors, [own!], { gram, drift });
      const found = turn(tensors.get(name)!.data);
      const isKept = turn(pruned ? mask : mask.map(() => 1));
      const weights = turn(stored).map((each, i) => each * isKept[i]!);
      // (H + λI)·W + D·W, so that the gradient of ‖X̃·W* − X·W‖² + λ‖W* − W‖² is zero.
      const sizes = [inputs, inputs, outputs] as const;
      const shift = multiply(drift, weights, sizes);
      const right = multiply(h, weights, sizes).map((each, i) => each + shift[i]!);
      gradientOf(h, found, right).forEach((each, i) => {
        if (isKept[i] === 0) expect(found[i]).toBe(0);
        else expect(Math.abs(each)).toBeLessThan(1e-3);
      });
    }
  });
});
