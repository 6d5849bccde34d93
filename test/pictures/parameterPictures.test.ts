/** Pictures of settings against metrics: scales, parallel axes, points and importances. */
import { describe, expect, test } from "vitest";
import { type AxisValue, canBeLogarithmic, createAxisScale } from "../../src/pictures/axisScale";
import { createImportancePicture } from "../../src/pictures/importancePicture";
import { createParallelPicture } from "../../src/pictures/parallelPicture";
import { createScatterPicture } from "../../src/pictures/scatterPicture";
import { shortenMiddle } from "../../src/pictures/shortenHeading";
import { renderSvg } from "../../src/pictures/svg";
import { paperTheme as theme } from "../../src/pictures/theme";

const scaleOf = (values: readonly AxisValue[], logarithmic?: boolean) =>
  createAxisScale(values, { logarithmic, maxTicks: 6 });
const ticks = (values: readonly AxisValue[], logarithmic?: boolean) =>
  scaleOf(values, logarithmic).ticks.map(({ text }) => text);

describe("the scale of an axis", () => {
  test("is logarithmic where positive numbers span decades, unless chosen otherwise", () => {
    expect(scaleOf([1e-4, 1e-2]).kind).toBe("logarithmic");
    expect(scaleOf([1, 20]).kind).toBe("linear");
    expect(scaleOf([1, 20], true).kind).toBe("logarithmic");
    expect(scaleOf([1e-4, 1e-2], false).kind).toBe("linear");
    expect(scaleOf([0, 1, 1000]).kind).toBe("linear");
    expect(scaleOf([-1, 1000], true).kind).toBe("linear");
    expect(canBeLogarithmic([1, undefined])).toBe(true);
    expect(canBeLogarithmic([1, "x"])).toBe(false);
  });

  test("places numbers and finds them again", () => {
    const scale = scaleOf([1e-4, 1e-3, 1e-2]);
    expect([1e-4, 1e-3, 1e-2].map(scale.toShare)).toEqual([0, 0.5, 1]);
    expect(scale.toNumber(0.5)).toBeCloseTo(1e-3, 12);
    expect(scaleOf([5, 5]).toShare(5)).toBe(0.5);
  });

  test("labels few values by themselves, and many by round numbers", () => {
    expect(ticks([64, 128, 256])).toEqual(["64", "128", "256"]);
    expect(ticks([1e-4, 3e-4, 1e-2])).toEqual(["1e−4", "3e−4", "0.01"]);
    expect(ticks(Array.from({ length: 50 }, (_, i) => i))).toEqual(["0", "10", "20", "30", "40"]);
    const many = Array.from({ length: 50 }, (_, i) => 1e-5 * 1.3 ** i);
    expect(ticks(many).length).toBeGreaterThan(2);
    expect(ticks(many).length).toBeLessThan(8);
  });

  test("has a place for runs without a value, before all others", () => {
    const scale = scaleOf([1, 2, undefined]);
    expect(scale.ticks[0]).toEqual({ share: 0, text: "none" });
    expect(scale.toShare(undefined)).toBe(0);
    expect(scale.toShare(1)).toBe(scale.start);
    expect(scale.start).toBeGreaterThan(0);
    expect(ticks(["b", undefined, "a", 10, 9])).toEqual(["none", "9", "10", "a", "b"]);
  });
});

test("a name loses its middle", () => {
  expect(shortenMiddle("grouped-projections-12", 80)).toBe("group…ns-12");
  expect(shortenMiddle("short", 200)).toBe("short");
});

describe("parallel axes", () => {
  const values = [
    [1e-4, "dense"],
    [1e-2, undefined],
  ] as const;
  const axes = [0, 1].map((i) => ({ title: `axis ${i}`, scale: scaleOf(values.map((each) => each[i])) }));
  const picture = createParallelPicture({
    title: "runs",
    axes,
    lines: values.map((each, i) => ({ values: each, shade: i, emphasis: i === 0 ? "faint" : "strong" })),
    shading: { title: "eval/loss", from: "1", to: "2" },
    theme,
    width: 500,
    height: 300,
  });

  test("have one line for each run, from the place of one value to that of the next", () => {
    const [faint, outline, strong] = picture.strokes;
    expect(faint!.pieces[0]!.map(({ x }) => x)).toEqual(picture.places);
    expect(faint!.opacity).toBeLessThan(0.5);
    // Low values are at the bottom.
    expect(faint!.pieces[0]![0]!.y).toBeGreaterThan(strong!.pieces[0]![0]!.y);
    expect(outline!.width).toBeGreaterThan(strong!.width);
    expect(picture.labels.map(({ text }) => text)).toEqual(
      expect.arrayContaining(["axis 0", "axis 1", "none", "dense", "eval/loss: 1 to 2"]),
    );
  });

  test("are saved with labels that stay readable over the lines", () => {
    expect(renderSvg(picture)).toContain('paint-order="stroke"');
  });
});

test("points have the color and mark of their run, and a ring where they are selected", () => {
  const xs = [1, 2, 3];
  const picture = createScatterPicture({
    title: "t",
    across: { title: "rate", scale: scaleOf(xs) },
    up: { title: "loss", scale: scaleOf(xs) },
    points: xs.map((x, slot) => ({
      x,
      y: x,
      slot,
      emphasis: (["faint", "normal", "strong"] as const)[slot]!,
    })),
    theme,
    width: 400,
    height: 300,
  });
  expect(picture.places[2]!.x).toBeGreaterThan(picture.places[0]!.x);
  expect(picture.places[2]!.y).toBeLessThan(picture.places[0]!.y);
  expect(picture.marks).toHaveLength(3);
  expect(picture.strokes).toHaveLength(1);
  expect(picture.toShareAcross(picture.places[0]!.x)).toBeCloseTo(0, 6);
  expect(picture.toShareUp(picture.places[2]!.y)).toBeCloseTo(1, 6);
});

test("importances are bars, and left out where the forest explains nothing", () => {
  const report = (r2: number) => ({
    runs: 30,
    r2,
    constant: [],
    settings: [
      { id: "a", title: "a", importance: 1.2, correlation: { kind: "Spearman ρ", value: -0.5, runs: 30 } },
      { id: "b", title: "b", importance: -0.01, correlation: { kind: "ratio η", value: 0.4, runs: 30 } },
      { id: "c", title: "c", importance: 0 },
    ] as const,
  });
  const texts = (r2: number) =>
    createImportancePicture({ title: "t", report: report(r2), theme, width: 600 }).labels.map(
      ({ text }) => text,
    );
  expect(texts(0.9)).toEqual(expect.arrayContaining(["a", "1.2", "ρ −0.5", "η 0.4", "–"]));
  expect(texts(0.01)).not.toContain("1.2");
});
