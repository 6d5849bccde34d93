/** How a metric changes as a model shrinks: runs as points of lines, with the seeds of a point together. */
import type { RunSummary } from "../protocol/service/runs";
import type { Goal } from "../schema/goal";
import { findSweptAmount, findSweptRate } from "./sweptRate";
import { type Estimate, computeEstimate } from "./studentT";

/** The fields of a run that are used. */
export type ShrinkRun = Pick<
  RunSummary,
  "folder" | "name" | "variant" | "sweep" | "seed" | "state" | "metrics" | "counts" | "published" | "losses"
>;

/** The axes of the points. */
export const measures = [
  "rate",
  "non_embedding",
  "total",
  "non_zero",
  "bits",
  "bytes",
  "packed",
  "memory",
  "time",
  "cache",
  "kept",
  "layers",
  "token_time",
] as const;
export type Measure = (typeof measures)[number];

export const measureTitles: Readonly<Record<Measure, string>> = {
  rate: "Rate of the method",
  non_embedding: "Non-embedding parameters",
  total: "Parameters",
  bits: "Stored bits",
  bytes: "Bytes",
  non_zero: "Non-zeros",
  packed: "Packed file, % of the dense model",
  memory: "Memory of a pass, % of the dense model",
  time: "Time of a pass, % of the dense model",
  cache: "Bytes of the cache",
  kept: "Tokens kept",
  layers: "Layers of a token",
  token_time: "Time of a token, ms",
};

/** The metrics of axes that need an evaluation; the first that a run has counts. */
const evaluated: Readonly<Partial<Record<Measure, readonly string[]>>> = {
  packed: ["savings/packed_file_bytes_percent"],
  memory: ["savings/memory_bytes_percent"],
  time: ["savings/time_percent"],
  cache: ["cache/bytes", "decoding/bytes"],
  kept: ["cache/tokens"],
  layers: ["exits/layers", "generate/layers"],
  token_time: ["decoding/token_ms"],
};

/** Whether a metric is what an axis shows, so that its points would be a straight line. */
export function isMeasureOf(metric: string, measure: Measure): boolean {
  return evaluated[measure]?.includes(metric) === true;
}

export interface ShrinkPoint {
  /**
   * Mean over the runs, which may differ in it: with a threshold over a whole model each seed keeps different
   * matrices.
   */
  readonly x: number;
  readonly y: Estimate;
  /** Folders of the runs. */
  readonly runs: readonly string[];
}

export interface ShrinkSeries {
  readonly name: string;
  /** Smallest x first. */
  readonly points: readonly ShrinkPoint[];
}

export interface ShrinkData {
  readonly series: readonly ShrinkSeries[];
  /** Runs without a rate, which the points along rates are compared with. */
  readonly baselines: readonly {
    readonly name: string;
    readonly y: Estimate;
    readonly runs: readonly string[];
  }[];
  /** Published models with both values of a point; its points have no runs. */
  readonly published?: ShrinkSeries;
  readonly fewerFirst: boolean;
}

/** Metrics that the runs have in common, quality metrics first; standard errors belong to their metrics. */
export function listMetrics(runs: readonly ShrinkRun[]): string[] {
  const names = new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)));
  const isAsked = (name: string) =>
    !/^(system|gpu|compress)\/|tokens_per_second$|learning_rate$|grad_norm$|_stderr$/.test(name);
  const rank = (name: string) =>
    /^(classification|perplexity)\//.test(name) ? 0 : name === "eval/loss" ? 1 : 2;
  return [...names].filter(isAsked).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

export function collectShrinkData(runs: readonly ShrinkRun[], measure: Measure, metric: string): ShrinkData {
  const lines = new Map<string, Map<string, PointValues>>();
  const plain = new Map<string, PointValues>();
  for (const run of runs) {
    const y = run.metrics[metric]?.last;
    if (run.state !== "done" || y === undefined || !Number.isFinite(y)) continue;
    const rate = findSweptRate(run.sweep);
    const along = createPathFilter(run, measure);
    const name = getLineName(run, along);
    const x = measure === "rate" ? rate?.value : getSize(run, measure);
    if (x === undefined) {
      // A point of another sweep is not a baseline.
      const isAlone = Object.keys(run.sweep).every((path) => path === "seed");
      if (measure === "rate" && isAlone) gather(plain, name, { x: 0, y, run: run.folder });
      continue;
    }
    const line = lines.get(name) ?? new Map<string, PointValues>();
    lines.set(name, line);
    const point = JSON.stringify(Object.entries(run.sweep).filter(([path]) => along(path)));
    gather(line, point, { x, y, run: run.folder });
  }
  return {
    series: [...lines].map(([name, points]) => ({
      name,
      points: [...points.values()]
        .map(({ xs, values, runs: folders }) => ({
          x: xs.reduce((sum, each) => sum + each, 0) / xs.length,
          y: computeEstimate(values),
          runs: folders,
        }))
        .sort((a, b) => a.x - b.x),
    })),
    baselines: [...plain].map(([name, { values, runs: folders }]) => ({
      name,
      y: computeEstimate(values),
      runs: folders,
    })),
    ...collectPublished(runs, measure, metric),
    fewerFirst: measure !== "rate",
  };
}

/** Quantities of papers that correspond to a measure. */
const publishedSizes: Readonly<Partial<Record<Measure, string>>> = {
  non_embedding: "parameters/non_embedding",
  total: "parameters/total",
  bits: "parameters/bits",
};

function collectPublished(
  runs: readonly ShrinkRun[],
  measure: Measure,
  metric: string,
): Pick<ShrinkData, "published"> {
  const size = publishedSizes[measure];
  const numbers = runs.find(({ published }) => published !== undefined)?.published ?? [];
  const quantity = metric === "perplexity/token" ? "perplexity" : metric;
  const of = (quantityName: string | undefined, variant: string) =>
    numbers.find((each) => each.quantity === quantityName && each.variant === variant)?.value;
  const points = [...new Set(numbers.map(({ variant }) => variant))].flatMap((variant): ShrinkPoint[] => {
    const [x, y] = [of(size, variant), of(quantity, variant)];
    return x === undefined || y === undefined ? [] : [{ x, y: computeEstimate([y]), runs: [] }];
  });
  if (points.length === 0) return {};
  return { published: { name: "published", points: points.sort((a, b) => a.x - b.x) } };
}

interface PointValues {
  readonly xs: readonly number[];
  readonly values: readonly number[];
  readonly runs: readonly string[];
}

function gather(
  into: Map<string, PointValues>,
  key: string,
  { x, y, run }: { readonly x: number; readonly y: number; readonly run: string },
): void {
  const { xs, values, runs } = into.get(key) ?? { xs: [], values: [], runs: [] };
  into.set(key, { xs: [...xs, x], values: [...values, y], runs: [...runs, run] });
}

/** The name of a line: the variant, and what is swept other than the points of the line and the seed. */
function getLineName({ variant, sweep, name }: ShrinkRun, along: (path: string) => boolean): string {
  const others = Object.entries(sweep).filter(([path]) => path !== "seed" && !along(path));
  const point = others
    .map(([path, value]) => `${path.split(".").at(-1)!} ${JSON.stringify(value)}`)
    .join(", ");
  const lineName = variant === "" ? name : variant;
  return point === "" ? lineName : `${lineName}, ${point}`;
}

/**
 * The swept paths that move a run along its line: the rate of its method or, for sizes without a swept method, the
 * size of the model.
 */
function createPathFilter({ sweep }: ShrinkRun, measure: Measure): (path: string) => boolean {
  if (measure === "rate") return (path) => path === findSweptRate(sweep)?.path;
  const amount = findSweptAmount(sweep)?.path;
  return (path) => (amount === undefined ? path.startsWith("model.") : path === amount);
}

function getSize({ counts, metrics }: ShrinkRun, measure: Exclude<Measure, "rate">): number | undefined {
  const names = evaluated[measure];
  if (names !== undefined) return names.flatMap((name) => metrics[name]?.last ?? [])[0];
  if (counts === undefined) return undefined;
  const { total, nonEmbedding } = counts;
  const sizes: Readonly<Partial<Record<Measure, number>>> = {
    non_embedding: nonEmbedding.stored,
    total: total.stored,
    non_zero: total.nonZero,
    bits: total.bits,
    bytes: total.bytes,
  };
  return sizes[measure];
}

export interface MeasureBars {
  readonly series: readonly string[];
  readonly groups: readonly { readonly name: string; readonly values: readonly (Estimate | undefined)[] }[];
}

/** Measures shown side by side, each with a bar for every line: those whose names share a prefix. */
export function createBars(runs: readonly ShrinkRun[], prefix: string): MeasureBars {
  const done = runs.filter(({ state }) => state === "done");
  const series = new Map<string, ShrinkRun[]>();
  for (const run of done) {
    if (!Object.keys(run.metrics).some((name) => name.startsWith(prefix))) continue;
    const name = getLineName(run, () => false);
    series.set(name, [...(series.get(name) ?? []), run]);
  }
  const measured = new Set([...series.values()].flat().flatMap(({ metrics }) => Object.keys(metrics)));
  const names = [...measured].filter((name) => name.startsWith(prefix)).sort(compareByNumber);
  return {
    series: [...series.keys()],
    groups: names.map((name) => ({
      name: name.slice(prefix.length).replaceAll("_", " "),
      values: [...series.values()].map((lineRuns) => {
        const values = lineRuns.flatMap(({ metrics }) => metrics[name]?.last ?? []).filter(Number.isFinite);
        return values.length === 0 ? undefined : computeEstimate(values);
      }),
    })),
  };
}

/** By their number first, such as 128 and 512 tokens. */
function compareByNumber(a: string, b: string): number {
  const of = (name: string) => Number(/(\d+)$/.exec(name)?.[1] ?? 0);
  return of(a) - of(b) || (a < b ? -1 : 1);
}

export function formatBars({ series, groups }: MeasureBars): string[][] {
  return [
    ["measure", "series", "mean", "half of the 95 % interval", "runs"],
    ...groups.flatMap(({ name, values }) =>
      values.flatMap((value, i) =>
        value === undefined
          ? []
          : [[name, series[i]!, String(value.mean), String(value.half ?? ""), String(value.count)]],
      ),
    ),
  ];
}

/** One finished run per line, with the smallest seed: its texts represent the line. */
export function selectRepresentatives(
  runs: readonly ShrinkRun[],
): { readonly name: string; readonly run: string }[] {
  const representatives = new Map<string, ShrinkRun>();
  for (const run of runs) {
    if (run.state !== "done") continue;
    const name = getLineName(run, () => false);
    const before = representatives.get(name);
    if (before === undefined || run.seed < before.seed) representatives.set(name, run);
  }
  return [...representatives].map(([name, { folder }]) => ({ name, run: folder }));
}

/**
 * Points that no other point beats in both: less of x (more of a rate) and a better y. Empty if the goal is unknown.
 */
export function findParetoFront(
  { series, fewerFirst }: Pick<ShrinkData, "series" | "fewerFirst">,
  goal: Goal | undefined,
): ShrinkPoint[] {
  if (goal === undefined) return [];
  const cost = ({ x }: ShrinkPoint) => (fewerFirst ? x : -x);
  const worth = ({ y }: ShrinkPoint) => (goal === "maximize" ? -y.mean : y.mean);
  const all = series.flatMap(({ points }) => points).sort((a, b) => cost(a) - cost(b) || worth(a) - worth(b));
  const front: ShrinkPoint[] = [];
  for (const point of all) if (front.length === 0 || worth(point) < worth(front.at(-1)!)) front.push(point);
  return front;
}

export function formatShrinkData(
  { series, baselines, published }: ShrinkData,
  measure: Measure,
  metric: string,
): string[][] {
  const row = (name: string, x: string, { mean, half, count }: Estimate) => [
    name,
    x,
    String(mean),
    half === undefined ? "" : String(half),
    String(count),
  ];
  return [
    ["series", measure, metric, "half of the 95 % interval", "runs"],
    ...[...series, ...(published === undefined ? [] : [published])].flatMap(({ name, points }) =>
      points.map(({ x, y }) => row(name, String(x), y)),
    ),
    ...baselines.map(({ name, y }) => row(name, "", y)),
  ];
}
