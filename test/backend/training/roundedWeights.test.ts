/** Weights rounded during training: their values, straight-through gradients, and the result of QuantGPT. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { gradients } from "../../../src/backend/graph/autodiff";
import { evaluateGraph } from "../../../src/backend/graph/evaluate";
import { input, parameter } from "../../../src/backend/graph/op";
import { mul } from "../../../src/backend/graph/ops/elementwise";
import { sum } from "../../../src/backend/graph/ops/reduction";
import quantgpt from "../../../src/backend/methods/quantgpt";
import rtn from "../../../src/backend/methods/rtn";
import { computeTokenContrast } from "../../../src/backend/training/distillation";
import { getLargestCode, roundWeight } from "../../../src/backend/training/roundedWeights";
import { listMatrixSlots } from "../../../src/backend/models/model";
import type { TensorData } from "../../../src/backend/representations/representation";
import type { Checkpoint } from "../../../src/backend/checkpoints/checkpoint";
import { plainLab } from "../../support/lab";
import { drawModelTensors, createTinyShape } from "../../support/subject";
import { createUniform } from "../../support/sampleValues";

const random = createUniform(8);
const w = Array.from({ length: 24 }, () => Math.fround(2 * random() - 1));
const dy = Array.from({ length: 24 }, () => Math.fround(random() - 0.3));
const magnitude = w.reduce((total, each) => total + Math.abs(each), 0) / w.length;

describe.each([2, 3, 4, 8])("a weight of %d bits", (bits) => {
  const gamma = 1.25;
  const n = getLargestCode(bits);
  const clip = gamma * magnitude;
  const inside = (each: number) => Math.abs(each) < clip;
  const code = (each: number) => Math.round(Math.min(1, Math.abs(each) / clip) * n) * Math.sign(each);
  const wrt = [parameter("w", [4, 6]), parameter("gamma", [1])] as const;
  const y = roundWeight(...wrt, bits);
  const loss = sum(mul(y, input("dy", [4, 6])), { axes: [0, 1], keepDims: false });
  const [dw, dgamma] = gradients(loss, wrt);
  const results = evaluateGraph({ outputs: { y, dw: dw!, dgamma: dgamma! } }, { w, gamma: [gamma], dy });

  it("is a multiple of the scale", () => {
    results["y"]!.forEach((each, i) => expect(each).toBeCloseTo((clip * code(w[i]!)) / n, 7));
    expect(
      new Set(Array.from(results["y"]!, (each) => Math.round((each * n) / clip))).size,
    ).toBeLessThanOrEqual(2 * n + 1);
  });

  it("passes gradients straight through inside the range, and none outside", () => {
    expect(w.some(inside) && !w.every(inside)).toBe(true);
    results["dw"]!.forEach((each, i) => expect(each).toBeCloseTo(inside(w[i]!) ? dy[i]! : 0, 9));
  });

  it("updates its scale by the rounding error inside the range, and by the sign outside", () => {
    const wanted = w.reduce((total, each, i) => {
      const share = inside(each) ? code(each) / n - each / clip : Math.sign(each);
      return total + dy[i]! * share * magnitude;
    }, 0);
    expect(results["dgamma"]![0]).toBeCloseTo(wanted, 7);
  });
});

it("rounds halves to even, as PyTorch and the final codes do", () => {
  const { ties } = JSON.parse(
    readFileSync(new URL("../../fixtures/ternary.json", import.meta.url), "utf8"),
  ) as { ties: { weight: number[]; gamma: number; bits: number; codes: number[] } };
  const { weight, gamma, bits, codes } = ties;
  const y = roundWeight(input("w", [2, 5]), input("gamma", [1]), bits);
  const results = evaluateGraph({ outputs: { y } }, { w: weight, gamma: [gamma] })["y"]!;
  // The range is 3.5, so that the scale is 1/2.
  expect(Array.from(results, (each) => 2 * each)).toEqual(codes);
});

it("the contrastive loss is the negative log-probability of the teacher's state among those of the sequence", () => {
  const [rows, time, width] = [2, 3, 4];
  const [student, teacher] = [0, 1].map((seed) => {
    const draw = createUniform(20 + seed);
    return Array.from({ length: rows * time * width }, () => 2 * draw() - 1);
  }) as [number[], number[]];
  const shape = [rows * time, width];
  const loss = computeTokenContrast(input("s", shape), input("t", shape), rows);
  const got = evaluateGraph({ outputs: { loss } }, { s: student, t: teacher })["loss"]!;
  const state = (of: number[], token: number) => of.slice(token * width, (token + 1) * width);
  const cosine = (a: number[], b: number[]) => {
    const dot = (x: number[], y: number[]) => x.reduce((total, each, i) => total + each * y[i]!, 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };
  for (let token = 0; token < rows * time; token++) {
    const first = token - (token % time);
    const logits = [0, 1, 2].map(
      (other) => cosine(state(student, token), state(teacher, first + other)) / 0.1,
    );
    const wanted =
      Math.log(logits.reduce((total, each) => total + Math.exp(each), 0)) - logits[token % time]!;
    expect(got[token]).toBeCloseTo(wanted, 4);
  }
});

describe("QuantGPT", () => {
  const shape = createTinyShape("llama");
  const before: Checkpoint = { shape, tensors: drawModelTensors(shape, 3) };
  const error = (after: Checkpoint) => {
    let total = 0;
    for (const { matrix, stored } of listMatrixSlots(after.shape))
      for (const { type, representation, options } of stored) {
        if (type !== "quantised") continue;
        const own = representation.materialize(
          (name) => after.tensors.get(name)!.data as TensorData,
          matrix,
          options,
        );
        const was = before.tensors.get(`${matrix.name}.weight`)!.data;
        // Linear layers of llama are stored [outputs, inputs].
        own.forEach((each, i) => {
          const [row, column] = [Math.floor(i / matrix.outputs), i % matrix.outputs];
          total += (each - was[column * matrix.inputs + row]!) ** 2;
        });
      }
    return total;
  };

  it("has a scale per matrix, whose error falls with more bits but is at least that of a scale per output", async () => {
    const errors: number[] = [];
    for (const bits of [2, 3, 4, 6, 8]) {
      const own = error(await quantgpt.apply(before, quantgpt.options.parse({ bits }), plainLab));
      errors.push(own);
      if (bits > 3)
        expect(own).toBeGreaterThan(
          error(await rtn.apply(before, rtn.options.parse({ bits }), plainLab)) * 0.9,
        );
    }
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
  });

  it("accepts packed matrices only as one module", () => {
    const packed = createTinyShape("gpt2");
    const given = (targets: string) => quantgpt.options.parse({ targets });
    expect(() => quantgpt.plan(packed, given("layers.*.q_proj"))).toThrow(/is quantized as one module. Use /);
    expect(quantgpt.plan(packed, given("layers.*.qkv_proj")).after.total.bits).toBeLessThan(
      quantgpt.plan(packed, given("layers.*.qkv_proj")).before.total.bits,
    );
  });

  it("requires a training loss", async () => {
    const nothing = quantgpt.options.parse({ alpha_ce: 0, alpha_contrast: 0 });
    await expect(async () => quantgpt.apply(before, nothing, plainLab)).rejects.toThrow(/no training loss/);
  });
});
