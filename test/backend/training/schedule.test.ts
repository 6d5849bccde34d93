import { describe, expect, it } from "vitest";
import { computeLearningRate, countWarmupSteps } from "../../../src/backend/training/schedule";
import { createTrainOptions } from "../../support/tinyModels";

const rates = (options: Readonly<Record<string, unknown>>, steps: number) => {
  const parsed = createTrainOptions({ learning_rate: 1, ...options });
  return Array.from({ length: steps }, (_, i) => computeLearningRate(parsed, i + 1, steps));
};
const expectRates = (got: readonly number[], wanted: (done: number) => number) =>
  got.forEach((rate, done) => expect(rate, `after ${done} steps`).toBeCloseTo(wanted(done), 12));

describe("the learning rate of step n is Hugging Face's after n - 1 steps", () => {
  it("constant", () => expectRates(rates({ lr_scheduler_type: "constant" }, 7), () => 1));

  it("constant, which also warms up on request", () =>
    expectRates(rates({ lr_scheduler_type: "constant", warmup_steps: 2 }, 5), (done) =>
      Math.min(1, done / 2),
    ));

  it("constant_with_warmup: min(1, done / warm-up)", () => {
    const got = rates({ lr_scheduler_type: "constant_with_warmup", warmup_steps: 4 }, 9);
    expectRates(got, (done) => Math.min(1, done / 4));
  });

  it("linear: (steps - done) / (steps - warm-up)", () => {
    const got = rates({ lr_scheduler_type: "linear", warmup_steps: 10 }, 100);
    expectRates(got, (done) => (done < 10 ? done / 10 : (100 - done) / 90));
  });

  it("cosine: (1 + cos(π · progress)) / 2", () => {
    const got = rates({ lr_scheduler_type: "cosine", warmup_steps: 3 }, 23);
    expectRates(got, (done) => (done < 3 ? done / 3 : 0.5 * (1 + Math.cos((Math.PI * (done - 3)) / 20))));
  });

  it("cosine and linear decrease to min_lr_ratio of the peak", () => {
    for (const lr_scheduler_type of ["cosine", "linear"]) {
      const got = rates({ lr_scheduler_type, min_lr_ratio: 0.1 }, 50);
      expect(Math.min(...got)).toBeGreaterThan(0.1);
      expect(got.at(-1)).toBeLessThan(0.12);
      expect(
        computeLearningRate(
          createTrainOptions({ learning_rate: 1, lr_scheduler_type, min_lr_ratio: 0.1 }),
          51,
          50,
        ),
      ).toBeCloseTo(0.1);
    }
  });
});

describe("warm-up", () => {
  it("has the steps of the ratio, rounded up, if no number is given", () => {
    expect(countWarmupSteps(createTrainOptions({ warmup_ratio: 0.03 }), 100)).toBe(3);
    expect(countWarmupSteps(createTrainOptions({ warmup_ratio: 0.001 }), 100)).toBe(1);
    expect(countWarmupSteps(createTrainOptions({ warmup_ratio: 0.5, warmup_steps: 2 }), 100)).toBe(2);
    expect(countWarmupSteps(createTrainOptions(), 100)).toBe(0);
  });

  it("begins at zero and rises to the peak", () => {
    const got = rates({ warmup_steps: 5 }, 20);
    expect(got[0]).toBe(0);
    expect(got[5]).toBe(1);
  });

  it("may take all steps, or more than the training has, without a rate above the peak or below zero", () => {
    for (const warmup_steps of [10, 11, 1000])
      for (const lr_scheduler_type of ["linear", "cosine"])
        for (const rate of rates({ warmup_steps, lr_scheduler_type }, 10)) {
          expect(rate).toBeGreaterThanOrEqual(0);
          expect(rate).toBeLessThanOrEqual(1);
        }
  });
});
