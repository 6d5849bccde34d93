/** Pictures created without a browser: their content, and that they cannot contain markup. */
import { describe, expect, it } from "vitest";
import { createBarsPicture } from "../../src/pictures/barsPicture";
import { createCurveRows, createCurvesPicture } from "../../src/pictures/curvesPicture";
import { downsampleMatrix, getFillColor, computeLimit, createMatrixRows } from "../../src/pictures/matrix";
import { createHeatMapPicture } from "../../src/pictures/heatMapPicture";
import { createMatrixPicture } from "../../src/pictures/matrixPicture";
import {
  formatBars,
  createBars,
  type ShrinkRun,
  selectRepresentatives,
} from "../../src/statistics/shrinkSeries";
import { createSurfacePicture } from "../../src/pictures/surfacePicture";
import { renderSvg } from "../../src/pictures/svg";
import { paperTheme as theme } from "../../src/pictures/theme";

/** Relative luminance of WCAG 2.2. */
function computeLuminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const share = parseInt(hex.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

const createShares = (shares: readonly (number | null)[]) => ({
  kind: "heatMap" as const,
  axes: ["down", "across"] as const,
  rowNames: ["r"],
  columnNames: shares.map((_, i) => `c${i}`),
  shares,
});

const matrix = { rows: 3, columns: 4, values: [0, 1, -2, 3, 4, -5, 6, 7, 8, 9, null, -11] };

describe("a matrix as a picture", () => {
  it("keeps the value of largest magnitude of each pixel, with its sign", () => {
    expect(downsampleMatrix(matrix, 1, 2)).toEqual({ rows: 1, columns: 2, values: [9, -11] });
    expect(downsampleMatrix(matrix, 9, 9)).toEqual(matrix);
    expect(downsampleMatrix({ rows: 1, columns: 2, values: [null, null] }, 1, 1).values).toEqual([null]);
  });

  it("has the strongest colors at the limit of all values except a few outliers", () => {
    const values = Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1e6 : 1));
    expect(computeLimit([{ rows: 1, columns: 1000, values }])).toBe(1);
    expect(getFillColor(2, 1, theme)).toBe(getFillColor(1, 1, theme));
    expect(getFillColor(1, 1, theme)).not.toBe(getFillColor(-1, 1, theme));
    expect(getFillColor(null, 1, theme)).toBe("none");
  });

  it("draws one cell per value, in order, and exports them as lines", () => {
    const picture = createMatrixPicture({
      title: "m",
      matrix,
      limit: 9,
      theme,
      width: 400,
      axes: ["in", "out"],
    });
    const cells = picture.faces!.slice(0, 12);
    expect(cells.map(({ color }) => color)).toEqual(
      matrix.values.map((value) => getFillColor(value, 9, theme)),
    );
    expect(cells[5]!.points[0]!.x).toBeGreaterThan(cells[4]!.points[0]!.x);
    expect(cells[4]!.points[0]!.y).toBeGreaterThan(cells[0]!.points[0]!.y);
    expect(createMatrixRows(matrix)[6]).toEqual(["1", "1", "-5"]);
    expect(createMatrixRows(matrix)).toHaveLength(13);
  });

  it.each(["light", "dark"] as const)("is a heat map with readable numbers on a %s ground", (ground) => {
    const shares = Array.from({ length: 11 }, (_, i) => i / 10);
    const data = createShares([...shares, null]);
    const picture = createHeatMapPicture(data, { title: "m", theme: { ...theme, ground }, width: 600 });
    const numbers = picture.labels.filter(({ text }) => text.endsWith(" %"));
    expect(numbers.map(({ text }) => text)).toEqual(shares.map((share) => `${Math.round(100 * share)} %`));
    numbers.forEach(({ color }, i) => {
      const [one, other] = [color, picture.faces![i]!.color].map(computeLuminance).sort((a, b) => b - a);
      expect((one! + 0.05) / (other! + 0.05)).toBeGreaterThan(4.5);
    });
  });

  it("leaves out numbers and names for which a heat map has no room, which are read instead", () => {
    const shares = Array.from({ length: 30 }, (_, i) => i / 29);
    const { labels, readings } = createHeatMapPicture(createShares(shares), {
      title: "m",
      theme,
      width: 356,
    });
    // 300 pixels for 30 columns: a name for every fourth, and no number.
    expect(labels.filter(({ text }) => text.endsWith(" %"))).toEqual([]);
    expect(labels.flatMap(({ text }) => (/^c\d/.test(text) ? [text] : []))).toEqual(
      [0, 4, 8, 12, 16, 20, 24, 28].map((i) => `c${i}`),
    );
    expect(readings!.x[0]).toHaveLength(31);
    expect(readings!.describe(0, 29)).toBe("down r, across c29: 100.0 %");
  });

  it("is a surface whose near faces are painted after the far ones, and whose heights are its values", () => {
    const peak = { rows: 3, columns: 3, values: [0, 0, 0, 0, 5, 0, 0, 0, 0] };
    const given = { title: "peak", matrix: peak, limit: 5, theme, width: 400, turn: 0, tilt: 30 };
    const { faces } = createSurfacePicture(given);
    expect(faces).toHaveLength(4);
    const lowest = faces!.map(({ points }) => Math.max(...points.map(({ y }) => y)));
    expect([...lowest].sort((a, b) => a - b)).toEqual(lowest);
    // Three points are in the middle of the picture: far edge, peak, near edge. Only the peak has a height.
    const inMiddle = (limit: number) => [
      ...new Set(
        createSurfacePicture({ ...given, limit })
          .faces!.flatMap(({ points }) => points)
          .filter(({ x }) => Math.abs(x - 200) < 1e-9)
          .map(({ y }) => Math.round(y * 1e6) / 1e6),
      ),
    ];
    const [far, ground, near] = inMiddle(1e12).sort((a, b) => a - b);
    const peakAt = (limit: number) => inMiddle(limit).find((y) => y !== far && y !== near)!;
    expect((ground! - peakAt(10)) / (ground! - peakAt(5))).toBeCloseTo(0.5, 4);
    // Seen from above, there is no height.
    const above = createSurfacePicture({ ...given, tilt: 90 }).faces!.flatMap(({ points }) => points);
    const flat = createSurfacePicture({ ...given, tilt: 90, limit: 1e9 }).faces!.flatMap(
      ({ points }) => points,
    );
    above.forEach(({ x, y }, i) => {
      expect(x).toBeCloseTo(flat[i]!.x, 6);
      expect(y).toBeCloseTo(flat[i]!.y, 6);
    });
  });

  it("draws a vector as a ridge", () => {
    const row = { rows: 1, columns: 4, values: [1, 2, 3, 4] };
    const { faces } = createSurfacePicture({
      title: "v",
      matrix: row,
      limit: 4,
      theme,
      width: 300,
      turn: 30,
      tilt: 35,
    });
    expect(faces).toHaveLength(3);
    expect(faces!.flatMap(({ points }) => points).every(({ x, y }) => Number.isFinite(x + y))).toBe(true);
  });
});

const run = (name: string, seed: number, value: number): ShrinkRun => ({
  folder: `/${name}-${seed}`,
  name,
  variant: name,
  sweep: { seed },
  seed,
  state: "done",
  metrics: {
    "repetition/rep4_512": { last: value, min: value, max: value },
    "repetition/rep4_128": { last: value / 2, min: 0, max: 1 },
  },
});

it("groups bars by metric and line, with an interval over seeds, shorter texts first", () => {
  const runs = [run("dense", 1, 0.4), run("dense", 0, 0.2), run("irc", 0, 0.6)];
  const bars = createBars(runs, "repetition/");
  expect(bars.series).toEqual(["dense", "irc"]);
  expect(bars.groups.map(({ name }) => name)).toEqual(["rep4 128", "rep4 512"]);
  expect(bars.groups[1]!.values[0]!.mean).toBeCloseTo(0.3, 12);
  expect(bars.groups[1]!.values[1]).toEqual({ mean: 0.6, count: 1 });
  expect(formatBars(bars)).toHaveLength(5);
  expect(selectRepresentatives(runs)).toEqual([
    { name: "dense", run: "/dense-0" },
    { name: "irc", run: "/irc-0" },
  ]);
  const picture = createBarsPicture({ title: "bars", ...bars, theme, width: 500 });
  const heights = picture.faces!.slice(0, 4).map(({ points }) => points[2]!.y - points[0]!.y);
  expect(heights[1]! / heights[0]!).toBeCloseTo(2, 6);
});

it("draws curves in their scale", () => {
  const curves = [
    {
      name: "a",
      points: [
        { x: 0, y: 2 },
        { x: 10, y: 1 },
      ],
    },
  ];
  const { strokes, area } = createCurvesPicture({ title: "t", across: "steps", curves, theme, width: 400 });
  const [from, to] = strokes[0]!.pieces[0]!;
  expect([from!.x, to!.x]).toEqual([area.left, area.right]);
  expect(to!.y).toBe(area.bottom);
  expect(from!.y).toBeGreaterThanOrEqual(area.top);
  expect(createCurveRows(curves)[2]).toEqual(["a", "10", "1"]);
});

it("holds hostile names as text", () => {
  const title = `<script>alert(1)</script>"&`;
  const svg = renderSvg(
    createMatrixPicture({ title, matrix, limit: 1, theme, width: 300, axes: ["<b>", "</svg>"] }),
  );
  expect(svg).not.toMatch(/<script|<b>/);
  expect(svg.match(/<\/svg>/g)).toHaveLength(1);
});
