/** Calibration errors against torchmetrics (scripts/reference/calibration.py), and closed forms. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { computeCalibration } from "../../src/statistics/calibration";
import { drawUniform } from "../support/referenceModel";

interface Fixture {
  readonly rows: number;
  readonly classes: number;
  readonly scale: number;
  readonly cases: readonly { readonly bins: number; readonly ece: number; readonly mce: number }[];
}
const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/calibration.json", import.meta.url), "utf8"),
) as Fixture;

function predict({ rows, classes, scale }: Fixture): { confidences: number[]; rights: boolean[] } {
  const logits = drawUniform("logits", rows * classes, 0.3).map((each) => each * scale);
  const labels = drawUniform("labels", rows, 2 ** 31).map((each) => (each + 2 ** 31) % classes);
  const confidences: number[] = [];
  const rights: boolean[] = [];
  for (let row = 0; row < rows; row++) {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    const top = Math.max(...own);
    confidences.push(1 / own.reduce((sum, each) => sum + Math.exp(each - top), 0));
    rights.push(row % 2 === 0 || own.indexOf(top) === labels[row]);
  }
  return { confidences, rights };
}

it.each(fixture.cases)("equals torchmetrics with $bins bins", ({ bins, ece, mce }) => {
  const { confidences, rights } = predict(fixture);
  const found = computeCalibration(confidences, rights, bins);
  expect(Math.abs(found.ece - ece)).toBeLessThan(1e-6);
  expect(Math.abs(found.mce - mce)).toBeLessThan(1e-6);
  expect(found.bins.reduce((sum, { count }) => sum + count, 0)).toBe(fixture.rows);
});

it("is zero where each bin is as often right as it is sure, and puts an upper bound into its bin", () => {
  const confidences = [0.5, 0.5, 1, 1];
  const rights = [true, false, true, true];
  const { ece, mce, bins } = computeCalibration(confidences, rights, 2);
  expect([ece, mce]).toEqual([0, 0]);
  expect(bins).toEqual([
    { count: 2, confidence: 0.5, accuracy: 0.5 },
    { count: 2, confidence: 1, accuracy: 1 },
  ]);
});

it("is the gap of a prediction that is always wrong", () => {
  const { ece, mce } = computeCalibration([0.9, 0.9, 0.3], [false, false, false], 10);
  expect(ece).toBeCloseTo(0.7, 12);
  expect(mce).toBeCloseTo(0.9, 12);
});
