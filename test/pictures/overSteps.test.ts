/** The pictures of histograms over steps. */
import { expect, it } from "vitest";
import { columns, computeDensities, createRidgesPicture } from "../../src/pictures/ridgesPicture";
import { createStepMapPicture } from "../../src/pictures/stepMapPicture";
import { renderSvg } from "../../src/pictures/svg";
import { paperTheme } from "../../src/pictures/theme";
import { countPlainly } from "../support/plainSpread";
import { createUniform } from "../support/sampleValues";

const random = createUniform(4);
const drawUniform = (low: number, high: number, count = 40_000) =>
  countPlainly(Array.from({ length: count }, () => low + random() * (high - low)));
const theme = paperTheme;
const draw = (...spreads: readonly ReturnType<typeof countPlainly>[]) =>
  createRidgesPicture({
    title: "Weights of a",
    ridges: spreads.map((spread, i) => ({ step: i * 10, spread })),
    chosen: 0,
    theme,
    width: 560,
  });

it("draws bins of equal ratio as densities over an even axis", () => {
  const densities = computeDensities(drawUniform(-1, 1), -1, 1);
  expect(densities.reduce((a, b) => a + b)).toBeCloseTo(40_000, 6);
  for (const density of densities) expect(Math.abs(density / (40_000 / columns) - 1)).toBeLessThan(0.25);
});

it("leaves zeros out, and puts values that are all equal into one column", () => {
  const half = countPlainly([0, 0, 0, 1, 1, -1]);
  expect(computeDensities(half, -1, 1).reduce((a, b) => a + b)).toBeCloseTo(3, 9);
  const ones = computeDensities(countPlainly(new Array<number>(7).fill(1)), 0.5, 1.5);
  expect(ones.filter((each) => each > 0)).toEqual([7]);
});

it("is not squeezed by an outlier, and hides what is behind a nearer line", () => {
  const outlier = countPlainly([...Array.from({ length: 5000 }, () => random() - 0.5), 1e6]);
  const picture = draw(outlier, drawUniform(-0.5, 0.5), drawUniform(-0.5, 0.5));
  const tick = Math.max(
    ...picture.labels.flatMap(({ anchor, text }) =>
      anchor === "middle" ? [Number(text.replace("−", "-"))] : [],
    ),
  );
  expect(tick).toBeLessThan(1);
  const visible = picture.strokes.map(({ pieces }) => pieces.flat().length);
  expect(visible[2]).toBe(columns);
  expect(visible[0]).toBeLessThan(2 * columns);
  for (const { points } of picture.faces!)
    for (const { x, y } of points) expect([x, y].every(Number.isFinite)).toBe(true);
});

it.each([
  ["one value", [countPlainly([3])]],
  ["only zeros", [countPlainly([0, 0])]],
  ["no finite value", [{ ...countPlainly([1]), counts: [], notFinite: 3 }]],
  ["a thousand steps", Array.from({ length: 1000 }, () => countPlainly([random(), -random()]))],
  ["no record", []],
])("draws %s", (_, spreads) => {
  const svg = renderSvg(draw(...spreads));
  expect(svg).not.toMatch(/NaN|Infinity/);
  expect(svg.length).toBeLessThan(300_000);
});

it("maps layers and steps, with missing cells left out and outliers at the strongest color", () => {
  const values = [
    [1, 2, null],
    [-3, 1e9, 4],
  ];
  const picture = createStepMapPicture({
    title: "Mean",
    rows: ["0", "1"],
    steps: [0, 10, 20],
    values,
    chosen: { row: 1, column: 2 },
    theme,
    width: 560,
  });
  const cells = picture.faces!.slice(0, 6).map(({ color }) => color);
  expect(cells[2]).toBe("none");
  expect(new Set(cells).size).toBeGreaterThanOrEqual(5);
  expect(renderSvg(picture)).not.toMatch(/NaN|Infinity/);
  const wide = createStepMapPicture({
    title: "Mean",
    rows: ["0"],
    steps: Array.from({ length: 4000 }, (_, i) => i),
    values: [Array.from({ length: 4000 }, (_, i) => (i === 1777 ? -9 : 1))],
    theme,
    width: 560,
  });
  expect(wide.faces!.length).toBeLessThan(400);
  expect(new Set(wide.faces!.slice(0, 200).map(({ color }) => color)).size).toBe(2);
});
