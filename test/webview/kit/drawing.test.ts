import { describe, expect, it } from "vitest";
import { groupMetrics } from "../../../webview/charts/chartGroups";
import { formatCurvesCsv } from "../../../webview/charts/curvesCsv";
import { createDrawing, type Track, defaultView } from "../../../webview/kit/drawing";
import { formatPosition, formatSpan, formatTickLabel, chooseTimeStep } from "../../../webview/kit/figures";
import { renderSvg } from "../../../src/pictures/svg";
import { smooth } from "../../../webview/charts/smoothing";

const track = (x: number[], y: (number | null)[]): Track => ({
  run: "r",
  metric: "train/loss",
  name: "run",
  slot: 0,
  place: 0,
  points: { x, y },
});

describe("smoothing", () => {
  it("begins at the first value, without a bias towards zero", () => {
    const x = Array.from({ length: 100 }, (_, i) => i);
    for (const each of smooth(
      x,
      x.map(() => 5),
      10,
    ))
      expect(each).toBeCloseTo(5, 12);
  });

  it("depends on the axis and not on how many points there are", () => {
    const dense = Array.from({ length: 2001 }, (_, i) => i / 20);
    const sparse = dense.filter((_, i) => i % 10 === 0);
    const curve = (x: number) => 3 + Math.cos(x / 20);
    const fine = smooth(dense, dense.map(curve), 8).at(-1)!;
    const coarse = smooth(sparse, sparse.map(curve), 8).at(-1)!;
    expect(Math.abs(fine - coarse)).toBeLessThan(0.02);
  });

  it("keeps a gap and continues after it", () => {
    const values = smooth([0, 1, 2, 3], [1, null, 1, 1], 2);
    expect(values[1]).toBeNull();
    expect(values[3]).toBeCloseTo(1, 12);
  });

  it("hardly changes evaluations that are far apart", () => {
    const values = smooth([0, 100, 200], [3, 2, 1], 5);
    expect(values[2]).toBeCloseTo(1, 6);
  });
});

describe("a drawing", () => {
  it("on a logarithmic axis shows a gap for values without a logarithm, and reports their number", () => {
    const view = { ...defaultView, logY: true, logX: true, smoothing: 0 };
    const { lines, remarks } = createDrawing([track([0, 1, 2, 3], [4, 0, -2, 1])], view);
    expect(lines[0]!.bold.y).toEqual([null, null, null, 1]);
    expect(remarks).toEqual([
      "2 values at or below zero cannot be shown on a logarithmic axis.",
      "1 point at zero cannot be shown on a logarithmic axis.",
    ]);
  });

  it("keeps the original points behind the smoothed ones", () => {
    const { lines, width } = createDrawing([track([0, 50, 100], [3, 9, 1])], defaultView);
    expect(lines[0]!.faint!.y).toEqual([3, 9, 1]);
    expect(lines[0]!.bold.y[1]).not.toBe(9);
    expect(width).toBeGreaterThan(0);
  });

  it("does not smooth by default", () => {
    const { lines } = createDrawing([track([0, 1], [3, 9])], { ...defaultView, smoothing: 0 });
    expect(lines[0]!.faint).toBeUndefined();
    expect(lines[0]!.bold.y).toEqual([3, 9]);
  });
});

describe("groups of metrics", () => {
  it("combine training and validation of the same metric, and nothing else", () => {
    const groups = groupMetrics(["eval/loss", "system/cpu", "train/loss", "train/grad_norm"]);
    expect(groups).toEqual([
      { title: "eval/loss and train/loss", metrics: ["eval/loss", "train/loss"] },
      { title: "system/cpu", metrics: ["system/cpu"] },
      { title: "train/grad_norm", metrics: ["train/grad_norm"] },
    ]);
  });
});

describe("axis labels", () => {
  it("show steps, tokens and times", () => {
    expect(formatPosition("step", 1200)).toBe("step 1,200");
    expect(formatPosition("tokens", 1_200_000)).toBe("1,200,000 tokens");
    expect(formatSpan("step", 0.2)).toBe("1 step");
    expect(formatSpan("tokens", 81_920)).toBe("81.9k tokens");
    expect(formatTickLabel("seconds", 3600)).toBe("1 h");
    expect(formatTickLabel("tokens", 400_000)).toBe("400k");
  });

  it("are at round times of a clock", () => {
    expect(chooseTimeStep(600, 8)).toBe(120);
    expect(chooseTimeStep(90_000, 8)).toBe(21_600);
    expect(chooseTimeStep(0.5, 8)).toBeUndefined();
  });
});

describe("exports", () => {
  it("write a name with commas, quotes and line ends as one cell of CSV, and no name as a formula", () => {
    const points = { x: [1, 2], y: [0.5, null] };
    const csv = formatCurvesCsv(
      [
        { name: 'a "b",\nc', metric: "train/loss", points },
        { name: "=1+1", metric: " @SUM(A1)", points },
      ],
      "step",
    );
    expect(csv.split("\r\n")).toEqual([
      "run,metric,step,value",
      '"a ""b"",\nc",train/loss,1,0.5',
      '"a ""b"",\nc",train/loss,2,',
      "'=1+1,' @SUM(A1),1,0.5",
      "'=1+1,' @SUM(A1),2,",
      "",
    ]);
  });

  it("write hostile text into SVG as text", () => {
    const svg = renderSvg({
      title: `</title><script>alert("1")</script>\u0000\ud800`,
      width: 10,
      height: 10,
      background: `#fff"/><script/>`,
      font: "serif",
      area: { left: 0, top: 0, right: 10, bottom: 10 },
      strokes: [],
      grid: [],
      marks: [],
      labels: [{ x: 0, y: 0, text: "<b>&", color: "#000", anchor: "start", size: 10 }],
    });
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;b&gt;&amp;");
    expect(svg).not.toContain("\u0000");
  });
});

it("of very many curves only those of the first metric are drawn in full", () => {
  const create = (count: number) =>
    Array.from({ length: count }, (_, i) =>
      [0, 1].map((place): Track => ({ ...track([0, 1], [3, 2]), run: `r${i}`, slot: i, place })),
    ).flat();
  const subdued = (count: number) =>
    createDrawing(create(count), defaultView).lines.flatMap(({ isSubdued, place }) =>
      isSubdued === true ? [place] : [],
    );
  expect(subdued(12)).toEqual([]);
  expect(subdued(13)).toEqual(Array.from({ length: 13 }, () => 1));
});
