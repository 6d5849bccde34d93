/** What happens to a measure as a model shrinks: runs as points of lines, the seeds of a point together. */
import type { RunSummary } from "../../src/protocol/service/runs";
import { type Estimate, estimateOf } from "../../src/protocol/studentT";

/** Along what the points stand. */
export const measures = ["rate", "non_embedding", "total", "bits", "bytes"] as const;
export type Measure = (typeof measures)[number];

export const measureTitles: Readonly<Record<Measure, string>> = {
  rate: "Rate of the method",
  non_embedding: "Non-embedding parameters",
  total: "Parameters",
  bits: "Stored bits",
  bytes: "Bytes",
};

export interface ShrinkPoint {
  readonly x: number;
  readonly y: Estimate;
  /** Folders of the runs. */
  readonly runs: readonly string[];
}

export interface ShrinkSeries {
  readonly name: string;
  /** From the smallest x on. */
  readonly points: readonly ShrinkPoint[];
}

export interface Shrinking {
  readonly series: readonly ShrinkSeries[];
  /** Runs without a rate, where points stand along rates: what the others are held against. */
  readonly baselines: readonly {
    readonly name: string;
    readonly y: Estimate;
    readonly runs: readonly string[];
  }[];
  readonly fewerFirst: boolean;
}

/** The swept option of a method, as `compress.irc.rate`: a share of what goes. */
export function rateOf({
  sweep,
}: Pick<RunSummary, "sweep">): { readonly path: string; readonly rate: number } | undefined {
  for (const [path, value] of Object.entries(sweep))
    if (/^compress\..*\.(rate|sparsity)$/.test(path) && typeof value === "number")
      return { path, rate: value };
  return undefined;
}

/** Numbers that runs have in common, those of the model's quality first. */
export function metricsOf(runs: readonly RunSummary[]): string[] {
  const names = new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)));
  const isAsked = (name: string) =>
    !/^(system|gpu|compress)\/|tokens_per_second$|learning_rate$|grad_norm$/.test(name);
  const rank = (name: string) =>
    /^(classification|perplexity)\//.test(name) ? 0 : name === "eval/loss" ? 1 : 2;
  return [...names].filter(isAsked).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

export function shrinkingOf(runs: readonly RunSummary[], measure: Measure, metric: string): Shrinking {
  const lines = new Map<string, Map<number, { values: number[]; runs: string[] }>>();
  const plain = new Map<string, { values: number[]; runs: string[] }>();
  for (const run of runs) {
    const y = run.metrics[metric]?.last;
    if (run.state !== "done" || y === undefined || !Number.isFinite(y)) continue;
    const rate = rateOf(run);
    const name = nameOf(run, rate?.path);
    const x = measure === "rate" ? rate?.rate : sizeOf(run, measure);
    if (x === undefined) {
      if (measure === "rate") gather(plain, name, y, run.folder);
      continue;
    }
    const line = lines.get(name) ?? new Map<number, { values: number[]; runs: string[] }>();
    lines.set(name, line);
    gather(line, x, y, run.folder);
  }
  return {
    series: [...lines].map(([name, points]) => ({
      name,
      points: [...points]
        .map(([x, { values, runs: folders }]) => ({ x, y: estimateOf(values), runs: folders }))
        .sort((a, b) => a.x - b.x),
    })),
    baselines: [...plain].map(([name, { values, runs: folders }]) => ({
      name,
      y: estimateOf(values),
      runs: folders,
    })),
    fewerFirst: measure !== "rate",
  };
}

function gather<K>(
  into: Map<K, { values: number[]; runs: string[] }>,
  key: K,
  value: number,
  run: string,
): void {
  const before = into.get(key) ?? { values: [], runs: [] };
  into.set(key, { values: [...before.values, value], runs: [...before.runs, run] });
}

/** All that tells a line from another: the variant, and what is swept beside the rate and the seed. */
function nameOf({ variant, sweep, name }: RunSummary, ratePath: string | undefined): string {
  const others = Object.entries(sweep).filter(([path]) => path !== "seed" && path !== ratePath);
  const point = others
    .map(([path, value]) => `${path.split(".").at(-1)!} ${JSON.stringify(value)}`)
    .join(", ");
  const own = variant === "" ? name : variant;
  return point === "" ? own : `${own}, ${point}`;
}

function sizeOf({ counts }: RunSummary, measure: Exclude<Measure, "rate">): number | undefined {
  if (counts === undefined) return undefined;
  if (measure === "non_embedding") return counts.nonEmbedding.stored;
  return measure === "total" ? counts.total.stored : counts.total[measure];
}

/** Points that no other beats in both: less of x (more of a rate) and a better y. */
export function paretoFront(
  { series, fewerFirst }: Pick<Shrinking, "series" | "fewerFirst">,
  higherIsBetter: boolean,
): ShrinkPoint[] {
  const cost = ({ x }: ShrinkPoint) => (fewerFirst ? x : -x);
  const worth = ({ y }: ShrinkPoint) => (higherIsBetter ? -y.mean : y.mean);
  const all = series.flatMap(({ points }) => points).sort((a, b) => cost(a) - cost(b) || worth(a) - worth(b));
  const front: ShrinkPoint[] = [];
  for (const point of all) if (front.length === 0 || worth(point) < worth(front.at(-1)!)) front.push(point);
  return front;
}

export function isHigherBetter(metric: string): boolean {
  return /accuracy|f1|precision|recall|matthews|per_second|speedup/.test(metric);
}

export function shrinkLines({ series, baselines }: Shrinking, measure: Measure, metric: string): string[][] {
  const row = (name: string, x: string, { mean, half, count }: Estimate) => [
    name,
    x,
    String(mean),
    half === undefined ? "" : String(half),
    String(count),
  ];
  return [
    ["series", measure, metric, "half of the 95 % interval", "runs"],
    ...series.flatMap(({ name, points }) => points.map(({ x, y }) => row(name, String(x), y))),
    ...baselines.map(({ name, y }) => row(name, "", y)),
  ];
}
