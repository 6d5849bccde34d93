/** Importance of settings against scikit-learn and SciPy (scripts/reference/importance.py), and against closed forms. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { computeCorrelationRatio, spearman } from "../../src/statistics/correlation";
import { type FeatureValue, growForest } from "../../src/statistics/randomForest";
import {
  computeImportances,
  describeImportances,
  formatImportances,
  type ImportanceReport,
  isInformative,
} from "../../src/statistics/settingImportance";

interface Reference {
  readonly columns: Readonly<Record<string, readonly (number | string)[]>>;
  readonly target: readonly number[];
  readonly r2: number;
  readonly importances: Readonly<Record<string, number>>;
  readonly spearman: Readonly<Record<string, number>>;
}
const references = JSON.parse(readFileSync("test/fixtures/importance.json", "utf8")) as Reference[];

function finish<T>(work: Generator<undefined, T, undefined>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}
const measure = (
  columns: Readonly<Record<string, readonly FeatureValue[]>>,
  target: readonly number[],
): ImportanceReport =>
  finish(
    computeImportances(
      Object.entries(columns).map(([id, values]) => ({ id, title: id, values })),
      target,
    ),
  );
const importanceOf = ({ settings }: ImportanceReport, id: string) =>
  settings.find((each) => each.id === id)?.importance;

describe.each(references)("against scikit-learn, $target.length runs", (reference) => {
  const report = measure(reference.columns, reference.target);
  test("R² out of bag and importances by permutation are those of its forest, up to the draw of the trees", () => {
    expect(Math.abs(report.r2! - reference.r2)).toBeLessThan(0.03);
    for (const [name, expected] of Object.entries(reference.importances))
      expect(Math.abs(importanceOf(report, name)! - expected), name).toBeLessThan(0.04 + 0.1 * expected);
    expect(isInformative(report)).toBe(true);
    expect(report.settings.at(-1)?.id).toBe("dropout");
  });
  test("Spearman's ρ is that of SciPy", () => {
    for (const [name, expected] of Object.entries(reference.spearman)) {
      const { correlation } = report.settings.find(({ id }) => id === name)!;
      expect(correlation).toMatchObject({ kind: "Spearman ρ", runs: reference.target.length });
      expect(correlation!.value).toBeCloseTo(expected, 12);
    }
    expect(report.settings.find(({ id }) => id === "schedule")!.correlation!.kind).toBe("ratio η");
  });
});

test("of a sum of independent terms, the importance is twice the term's share of the variance", () => {
  // A full grid: both settings are independent, and every cell is seen by most trees.
  const rows = Array.from({ length: 400 }, (_, i) => ({ a: i % 4, b: Math.floor(i / 4) % 5 }));
  const target = rows.map(({ a, b }) => 3 * a + b);
  const { r2, importances } = finish(
    growForest([rows.map(({ a }) => a), rows.map(({ b }) => b)], target, { trees: 60, repeats: 20, seed: 3 }),
  );
  const variance = (count: number) => (count ** 2 - 1) / 12;
  const total = 9 * variance(4) + variance(5);
  expect(r2).toBeCloseTo(1, 6);
  expect(importances[0]).toBeCloseTo((2 * 9 * variance(4)) / total, 1);
  expect(importances[1]).toBeCloseTo((2 * variance(5)) / total, 1);
});

test("the same runs give the same figures", () => {
  const [{ columns, target }] = references as [Reference];
  expect(measure(columns, target)).toEqual(measure(columns, target));
});

test("with too few runs there is no forest, only correlations", () => {
  const report = measure({ rate: [1, 2, 3, 4], width: [8, 8, 8, 8] }, [4, 3, 2, 1]);
  expect(report.r2).toBeUndefined();
  expect(report.constant).toEqual(["width"]);
  expect(report.settings).toHaveLength(1);
  expect(report.settings[0]).toMatchObject({ id: "rate", correlation: { kind: "Spearman ρ", runs: 4 } });
  expect(report.settings[0]!.importance).toBeUndefined();
  expect(report.settings[0]!.correlation!.value).toBeCloseTo(-1, 12);
  expect(describeImportances(report, "eval/loss")).toMatch(/^4 runs .* too few .* needs 10/);
});

test("a forest that explains nothing is called that", () => {
  const rows = Array.from({ length: 24 }, (_, i) => i);
  const noise = rows.map(
    (i) => Math.sin(i * 12.9898) * 43758.5453 - Math.floor(Math.sin(i * 12.9898) * 43758.5453),
  );
  const report = measure({ a: rows.map((i) => i % 3), b: rows.map((i) => (i % 2 === 0 ? "x" : "y")) }, noise);
  expect(isInformative(report)).toBe(false);
  expect(describeImportances(report, "eval/loss")).toMatch(/explains nothing \(R² .* 24 runs/);
});

test("equal results, no varying setting and missing values are handled", () => {
  const rows = Array.from({ length: 12 }, (_, i) => i);
  const same = measure(
    { a: rows },
    rows.map(() => 1),
  );
  expect(describeImportances(same, "m")).toContain("is the same in all 12 runs");
  expect(same.settings[0]).toEqual({ id: "a", title: "a" });
  expect(describeImportances(measure({ a: rows.map(() => 1) }, rows), "m")).toContain("No setting differs");
  // Whether the setting is there at all decides.
  const partly = measure(
    { rate: rows.map((i) => (i % 2 === 0 ? undefined : 0.5)) },
    rows.map((i) => i % 2),
  );
  expect(partly.r2).toBeCloseTo(1, 6);
  expect(importanceOf(partly, "rate")).toBeGreaterThan(1);
  expect(formatImportances(partly)[1]!.slice(0, 1)).toEqual(["rate"]);
});

test("many different numbers are put into bins", () => {
  const rows = Array.from({ length: 500 }, (_, i) => (i * 7919) % 500);
  const report = measure(
    { x: rows, y: rows.map((i) => (i * 31) % 97) },
    rows.map((i) => i ** 2),
  );
  expect(report.r2).toBeGreaterThan(0.98);
  expect(importanceOf(report, "x")).toBeGreaterThan(1.5);
});

test("correlations of ranks and of categories", () => {
  expect(spearman([1, 2, 3], [1, 100, 10_000])).toBeCloseTo(1, 12);
  expect(computeCorrelationRatio(["a", "a", "b", "b"], [1, 1, 3, 3])).toBe(1);
  // Between the categories 4 · 1², in all 4 · 1² + 4 · 1².
  expect(computeCorrelationRatio(["a", "a", "b", "b"], [0, 2, 2, 4])).toBeCloseTo(Math.SQRT1_2, 12);
  expect(computeCorrelationRatio(["a", "b"], [1, 1])).toBeNull();
});
