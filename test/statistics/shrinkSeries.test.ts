/**
 * Runs as points of a compression series: seeds grouped by point, runs without a rate as baselines, and the Pareto
 * front.
 */
import { describe, expect, it } from "vitest";
import type { RunSummary } from "../../src/protocol/service/runs";
import { computeEstimate } from "../../src/statistics/studentT";
import {
  listMetrics,
  findParetoFront,
  collectShrinkData,
  formatShrinkData,
} from "../../src/statistics/shrinkSeries";
import { findSweptRate } from "../../src/statistics/sweptRate";

function run(
  variant: string,
  sweep: Readonly<Record<string, unknown>>,
  accuracy: number,
  more: Partial<RunSummary> = {},
): RunSummary {
  return {
    folder: `/${variant}${JSON.stringify(sweep)}`,
    id: variant,
    name: variant,
    variant,
    sweep,
    seed: Number(sweep["seed"] ?? 0),
    state: "done",
    createdAt: "",
    metrics: { "classification/accuracy": { last: accuracy, min: accuracy, max: accuracy } },
    notices: [],
    tags: [],
    notes: "",
    star: false,
    ...more,
  };
}
const irc = (rate: number, seed: number, accuracy: number) =>
  run("irc", { seed, "compress.irc.rate": rate }, accuracy);
const runs = [
  run("dense", { seed: 0 }, 0.9),
  run("dense", { seed: 1 }, 0.92),
  irc(0.9, 0, 0.8),
  irc(0.5, 1, 0.89),
  irc(0.5, 0, 0.93),
  run("fpp", { "compress.fpp.sparsity": 0.7, "train.learning_rate": 0.1 }, 0.7),
  run("failed", { "compress.irc.rate": 0.1 }, 0.1, { state: "failed" }),
];

describe("points", () => {
  it("are sorted by the swept rate, from small to large, with the interval of their seeds", () => {
    const { series, baselines } = collectShrinkData(runs, "rate", "classification/accuracy");
    expect(series.map(({ name }) => name)).toEqual(["irc", "fpp, learning_rate 0.1"]);
    const [half, most] = series[0]!.points;
    expect([half!.x, most!.x]).toEqual([0.5, 0.9]);
    expect(half!.y).toEqual(computeEstimate([0.89, 0.93]));
    expect(half!.runs.length).toBe(2);
    expect(most!.y.half).toBeUndefined();
    expect(baselines.map(({ name, y }) => [name, y.count])).toEqual([["dense", 2]]);
    expect(baselines[0]!.y.mean).toBeCloseTo(0.91, 12);
  });

  it("form one line for a method with swept bits, and for models of several widths without a method", () => {
    const sized = (stored: number) => {
      const all = {
        trainable: stored,
        stored,
        nonZero: stored,
        bits: 32 * stored,
        bytes: 4 * stored,
      };
      return { counts: { roles: [], nonEmbedding: all, total: all } };
    };
    const given = [
      run("gptq", { "compress.gptq.bits": 4 }, 0.9, sized(100)),
      run("gptq", { "compress.gptq.bits": 3 }, 0.8, sized(75)),
      run("smaller", { "model.n_embd": 32 }, 0.6, sized(50)),
      run("smaller", { "model.n_embd": 64 }, 0.7, sized(200)),
      run("svd", { "model.n_embd": 64, "compress.svd.rate": 0.5 }, 0.7, sized(100)),
    ];
    const { series } = collectShrinkData(given, "bits", "classification/accuracy");
    expect(series.map(({ name, points }) => [name, points.length])).toEqual([
      ["gptq", 2],
      ["smaller", 2],
      ["svd, n_embd 64", 1],
    ]);
    // Bits are not a share, so they have no position along rates.
    const along = collectShrinkData(given, "rate", "classification/accuracy");
    expect(along.series.map(({ name }) => name)).toEqual(["svd, n_embd 64"]);
    expect(along.baselines).toEqual([]);
  });

  it("are placed by size on request, and then each point has a size or is left out", () => {
    const sized = (stored: number) => ({
      counts: {
        nonEmbedding: { stored: stored - 10 },
        total: { stored, bits: 32 * stored, bytes: 4 * stored },
      } as never,
    });
    const some = [run("dense", {}, 0.9, sized(100)), run("irc", {}, 0.8, sized(60)), run("fpp", {}, 0.7)];
    const { series, baselines } = collectShrinkData(some, "bytes", "classification/accuracy");
    expect(series.map(({ name, points }) => [name, points[0]!.x])).toEqual([
      ["dense", 400],
      ["irc", 240],
    ]);
    expect(baselines).toEqual([]);
    expect(collectShrinkData(some, "non_embedding", "classification/accuracy").series[1]!.points[0]!.x).toBe(
      50,
    );
  });

  it("are placed by a measured size, with grouped seeds although each has a different size", () => {
    const timed = (seed: number, percent: number, accuracy: number) => {
      const time = { last: percent, min: percent, max: percent };
      const { metrics, ...flap } = run("flap", { seed, "compress.flap.rate": 0.5 }, accuracy);
      return { ...flap, metrics: { ...metrics, "savings/time_percent": time } };
    };
    const given = [timed(0, 60, 0.8), timed(1, 70, 0.9), run("dense", { seed: 0 }, 0.9)];
    const { series, baselines } = collectShrinkData(given, "time", "classification/accuracy");
    expect(series).toMatchObject([{ name: "flap", points: [{ x: 65, y: computeEstimate([0.8, 0.9]) }] }]);
    expect(series[0]!.points).toHaveLength(1);
    expect(baselines).toEqual([]);
  });

  it("of a cache policy are a line along the bytes of the cache, point by budget", () => {
    const path = "evaluate.inference.cache.h2o.budget";
    const cached = (seed: number, budget: number, bytes: number) => {
      const { metrics, ...h2o } = run("h2o", { seed, [path]: budget }, budget);
      const size = { last: bytes, min: bytes, max: bytes };
      return { ...h2o, metrics: { ...metrics, "cache/bytes": size } };
    };
    const given = [cached(0, 0.5, 500), cached(1, 0.5, 500), cached(0, 0.25, 260)];
    const { series } = collectShrinkData(given, "cache", "classification/accuracy");
    expect(series.map(({ name, points }) => [name, points.map(({ x, runs }) => [x, runs.length])])).toEqual([
      [
        "h2o",
        [
          [260, 1],
          [500, 2],
        ],
      ],
    ]);
    // Without evaluate.cache, those of evaluate.decoding.
    const { metrics, ...other } = cached(0, 0.5, 500);
    const decoded = { ...metrics, "decoding/bytes": { last: 7, min: 7, max: 7 } };
    const at = (given: object) =>
      collectShrinkData([{ ...other, metrics: given as typeof metrics }], "cache", "classification/accuracy")
        .series[0]!.points[0]!.x;
    expect(at(decoded)).toBe(500);
    expect(at({ ...decoded, "cache/bytes": undefined })).toBe(7);
  });

  it("of exits are a line along the layers of a token, point by threshold", () => {
    const path = "evaluate.exits.thresholds";
    const leaving = (seed: number, threshold: number, layers: number) => {
      const { metrics, ...early } = run("early", { seed, [path]: threshold }, threshold);
      const passed = { last: layers, min: layers, max: layers };
      return { ...early, metrics: { ...metrics, "exits/layers": passed } };
    };
    const given = [leaving(0, 0.9, 5), leaving(1, 0.9, 4), leaving(0, 0.5, 2)];
    const { series } = collectShrinkData(given, "layers", "classification/accuracy");
    expect(series.map(({ name, points }) => [name, points.map(({ x, runs }) => [x, runs.length])])).toEqual([
      [
        "early",
        [
          [2, 1],
          [4.5, 2],
        ],
      ],
    ]);
  });

  it("include published points if both of their numbers were printed", () => {
    const published = [
      { quantity: "parameters/total", value: 120, variant: "a" },
      { quantity: "classification/accuracy", value: 0.7, variant: "a" },
      { quantity: "parameters/total", value: 90, variant: "b" },
    ];
    const all = { trainable: 80, stored: 80, nonZero: 80, bits: 2560, bytes: 320 };
    const counts = { roles: [], nonEmbedding: all, total: all };
    const given = [run("dense", {}, 0.9, { published, counts })];
    const along = collectShrinkData(given, "total", "classification/accuracy");
    expect(along.published).toEqual({
      name: "published",
      points: [{ x: 120, y: computeEstimate([0.7]), runs: [] }],
    });
    expect(formatShrinkData(along, "total", "classification/accuracy")).toContainEqual([
      "published",
      "120",
      "0.7",
      "",
      "1",
    ]);
    expect(collectShrinkData(given, "bits", "classification/accuracy").published).toBeUndefined();
    // Published points and runs do not dominate each other: the front consists of runs.
    expect(findParetoFront(along, "maximize").map(({ x }) => x)).toEqual([80]);
  });

  it("are written as CSV with their numbers", () => {
    const lines = formatShrinkData(
      collectShrinkData(runs, "rate", "classification/accuracy"),
      "rate",
      "classification/accuracy",
    );
    expect(lines[0]).toEqual([
      "series",
      "rate",
      "classification/accuracy",
      "half of the 95 % interval",
      "runs",
    ]);
    expect(lines[1]!.slice(0, 2)).toEqual(["irc", "0.5"]);
    expect(Number(lines[1]![2])).toBeCloseTo(0.91, 12);
    expect(lines.at(-1)!.slice(0, 2)).toEqual(["dense", ""]);
  });
});

it("recognizes the rate of any method, and no other swept number as a rate", () => {
  expect(findSweptRate({ "compress.recursive.method.irc.rate": 0.4 })?.value).toBe(0.4);
  expect(findSweptRate({ "compress.gptq.bits": 4, "compress.magnitude.sparsity": 0.5 })?.value).toBe(0.5);
  expect(findSweptRate({ "train.learning_rate": 0.1, seed: 3 })).toBeUndefined();
});

it("offers metrics of the model before metrics of the machine", () => {
  const metrics = {
    "train/loss": {},
    "system/cpu": {},
    "eval/loss": {},
    "classification/f1": {},
    "latency/median_ms": {},
  };
  expect(listMetrics([run("a", {}, 1, { metrics: metrics as never })])).toEqual([
    "classification/f1",
    "eval/loss",
    "latency/median_ms",
    "train/loss",
  ]);
});

it("has a front of points that no other point beats in both values", () => {
  const series = [
    {
      name: "a",
      points: [
        [10, 0.5],
        [20, 0.7],
        [30, 0.65],
        [40, 0.9],
      ].map(([x, mean]) => ({ x: x!, y: { mean: mean!, count: 1 }, runs: [] })),
    },
  ];
  const xs = (higher: boolean, fewerFirst: boolean) =>
    findParetoFront({ series, fewerFirst }, higher ? "maximize" : "minimize").map(({ x }) => x);
  expect(xs(true, true)).toEqual([10, 20, 40]);
  expect(xs(false, true)).toEqual([10]);
  expect(xs(true, false)).toEqual([40]);
  expect(xs(false, false)).toEqual([40, 30, 10]);
});
