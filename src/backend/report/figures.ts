/**
 * The figures of a card, from the folders of its runs: quality against rate and size, generated texts, and the
 * matrices.
 */
import { join } from "node:path";
import type { NamedSamples } from "../../protocol/blocks";
import { WorkbenchError } from "../../protocol/errors";
import { groupByProtocol } from "../../protocol/lossProtocol";
import { pluralize } from "../../protocol/quantities";
import { createBarsPicture } from "../../pictures/barsPicture";
import { createCurvesPicture, createCurveRows, type NamedCurve } from "../../pictures/curvesPicture";
import { downsampleMatrix, computeLimit, type Matrix, createMatrixRows } from "../../pictures/matrix";
import { createMatrixPicture } from "../../pictures/matrixPicture";
import { createShrinkPicture } from "../../pictures/shrinkPicture";
import { findGoal } from "../../schema/goal";
import {
  formatBars,
  createBars,
  isMeasureOf,
  measures,
  measureTitles,
  findParetoFront,
  type ShrinkRun,
  collectShrinkData,
  formatShrinkData,
  selectRepresentatives,
} from "../../statistics/shrinkSeries";
import { createSurfacePicture } from "../../pictures/surfacePicture";
import { paperTheme as theme } from "../../pictures/theme";
import { openModel } from "../imports/openModel";
import { findCheckpoint } from "../imports/runFolder";
import { readMetrics } from "../runs/metrics/metricsReader";
import type { Sibling } from "../runs/planning/siblings";
import { computeCorrelation } from "../analysis/correlation";
import { computeHeatMap } from "../analysis/heatMap";
import { listRoles, getRoleValues } from "../analysis/roleValues";
import { thin } from "../../statistics/thin";
import { findReferences } from "../card/references";
import { readGeneratedTexts } from "./generatedTexts";
import type { Figure } from "./html";

const width = 520;
const small = 420;
/** Rows and columns of a drawn matrix. */
const cells = 40;
const maxRoles = 6;
const maxCurves = 8;
/** Four in each column of the plot. */
const maxCurvePoints = 4 * width;

export function toShrinkRuns(siblings: readonly Sibling[]): ShrinkRun[] {
  return siblings.map(({ folder, record: { plan, summary, counts, losses } }) => ({
    folder,
    name: plan.name,
    variant: plan.variant,
    sweep: plan.sweep,
    seed: plan.seed,
    state: "done",
    metrics: summary,
    ...(counts === undefined ? {} : { counts }),
    ...(losses === undefined ? {} : { losses }),
    ...findReferences(plan),
  }));
}

/** Each measured quantity against the rate and against the size, where such lines exist. */
export function createShrinkFigures(
  runs: readonly ShrinkRun[],
  paper: { readonly metrics: readonly string[] },
): Figure[] {
  const metrics = [...paper.metrics, "eval/loss"].filter((name) => !name.startsWith("repetition/"));
  // Other counts of parameters would repeat the figure of all of them.
  const shown = measures.filter((measure) => measure !== "non_embedding" && measure !== "non_zero");
  return shown.flatMap((measure) =>
    metrics.flatMap((metric): Figure[] => {
      if (isMeasureOf(metric, measure)) return [];
      const { comparable, left } = selectComparable(runs, metric);
      const shrinking = collectShrinkData(comparable, measure, metric);
      const points = shrinking.series.flatMap((each) => each.points);
      if (shrinking.series.length === 0 || new Set(points.map(({ x }) => x)).size < 2) return [];
      const front = measure === "rate" ? [] : findParetoFront(shrinking, findGoal(metric));
      const picture = createShrinkPicture({ shrinking, measure, metric, front, theme, width });
      const note = left === 0 ? "" : ` (without ${pluralize(left, "run")} that measured it otherwise)`;
      const title = `${metric} along ${measureTitles[measure].toLowerCase()}${note}`;
      return [
        {
          name: `${toFileName(metric)}-${measure}`,
          picture: { ...picture, title },
          lines: formatShrinkData(shrinking, measure, metric),
        },
      ];
    }),
  );
}

/** The runs that measured the metric as most of them did: the others' numbers are of another quantity. */
function selectComparable(
  runs: readonly ShrinkRun[],
  metric: string,
): { comparable: ShrinkRun[]; left: number } {
  const groups = new Map<string | undefined, ShrinkRun[]>();
  const measured = runs.filter(({ metrics }) => metrics[metric] !== undefined);
  const { letters } = groupByProtocol(
    metric,
    measured.map(({ losses }) => losses?.[metric]),
  );
  if (letters.every((letter) => letter === undefined)) return { comparable: [...runs], left: 0 };
  measured.forEach((run, i) => groups.set(letters[i], [...(groups.get(letters[i]) ?? []), run]));
  const [comparable = []] = [...groups.values()].sort((a, b) => b.length - a.length);
  return { comparable, left: measured.length - comparable.length };
}

/** The shares of repeated and meaningless tokens in generated texts. */
export function createTokenRateFigures(runs: readonly ShrinkRun[]): Figure[] {
  const bars = createBars(runs, "repetition/");
  if (bars.groups.length === 0) return [];
  const picture = createBarsPicture({
    title: "Shares of repeated and meaningless tokens",
    ...bars,
    theme,
    width: Math.max(width, 90 * bars.groups.length),
  });
  return [{ name: "token-rates", picture, lines: formatBars(bars) }];
}

/** Training losses of one run of each line. */
export async function createCurveFigures(runs: readonly ShrinkRun[]): Promise<Figure[]> {
  const curves: NamedCurve[] = [];
  for (const { name, run } of selectRepresentatives(runs).slice(0, maxCurves)) {
    const { lines } = await readMetrics(join(run, "metrics.jsonl"));
    const points = thinCurve(
      lines.flatMap(({ step, "train/loss": loss }) =>
        loss === undefined || !Number.isFinite(loss) ? [] : [{ x: step, y: loss }],
      ),
    );
    if (points.length > 1) curves.push({ name, points });
  }
  if (curves.length === 0) return [];
  const picture = createCurvesPicture({
    title: "Training loss, nats per token",
    across: "steps",
    curves,
    theme,
    width,
  });
  return [{ name: "training-loss", picture, lines: createCurveRows(curves) }];
}

/** Every spike stays; more points than that lie on top of each other. */
function thinCurve(points: NamedCurve["points"]): NamedCurve["points"] {
  const x = Float64Array.from(points, (point) => point.x);
  const y = Float64Array.from(points, (point) => point.y);
  return Array.from(thin(x, y, { points: maxCurvePoints, logarithmic: false }), (index) => points[index]!);
}

export function collectGeneratedTexts(runs: readonly ShrinkRun[]): NamedSamples[] {
  return selectRepresentatives(runs).flatMap(({ name, run }) => {
    const samples = readGeneratedTexts(run);
    return samples.length === 0 ? [] : [{ name, samples }];
  });
}

/**
 * Matrices of the first layer and embeddings before and after, for the runs that store them differently from the
 * baseline: each as a surface, and the first two also as correlations of their inputs.
 */
export async function createWeightFigures(
  runs: readonly ShrinkRun[],
  baseline: string | undefined,
  signal: AbortSignal,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  const seen = new Set<string>();
  // The most informative model comes first: the one with the largest rate.
  for (const { name, run } of selectRepresentatives([...runs].reverse())) {
    const dense = findBaseline(runs, run, baseline);
    if (dense === undefined || dense.folder === run || seen.size >= maxRoles) continue;
    const checkpoints = [dense.folder, run].flatMap((folder) => findKeptCheckpoint(folder) ?? []);
    const [denseCheckpoint, ownCheckpoint] = checkpoints;
    if (denseCheckpoint === undefined || ownCheckpoint === undefined) continue;
    using before = openModel(denseCheckpoint);
    const representations = new Map(
      listRoles(before.shape).map(({ role, representation }) => [role, representation]),
    );
    using after = openModel(ownCheckpoint);
    for (const { role, purpose, layer, representation, shape } of listRoles(after.shape)) {
      const was = representations.get(role);
      const isShown = purpose === "token embedding" || (layer === 0 && purpose !== "packed");
      if (was === undefined || representation === was || shape.length < 2 || !isShown) continue;
      if (seen.has(role) || seen.size >= maxRoles) continue;
      seen.add(role);
      const values = [getRoleValues(before, role), getRoleValues(after, role)];
      const maps = await Promise.all(
        values.map((each) => computeHeatMap(each, { rows: cells, columns: cells }, signal)),
      );
      const titles = [`${role}, dense`, `${role}, ${name}`];
      figures.push(...maps.map((map, i) => createLandscape(titles[i]!, map, computeLimit(maps))));
      if (seen.size > 2) continue;
      for (const [i, each] of values.entries()) {
        const map = await computeCorrelation(each, "rows", cells, signal);
        figures.push(createCorrelationFigure(titles[i]!, map));
      }
    }
  }
  return figures;
}

/** Checkpoints may have been deleted to save space; the figures of the other runs are drawn without them. */
function findKeptCheckpoint(folder: string): string | undefined {
  try {
    return findCheckpoint(folder, "last");
  } catch (thrown) {
    if (thrown instanceof WorkbenchError && thrown.code === "not-found") return undefined;
    throw thrown;
  }
}

/** The baseline's run with the same seed and data: equal in every sweep value that both have. */
function findBaseline(
  runs: readonly ShrinkRun[],
  folder: string,
  baseline: string | undefined,
): ShrinkRun | undefined {
  const ownRun = runs.find((run) => run.folder === folder)!;
  return runs.find(
    ({ variant, sweep }) =>
      variant === baseline &&
      Object.entries(sweep).every(([path, value]) => !(path in ownRun.sweep) || ownRun.sweep[path] === value),
  );
}

function createLandscape(title: string, map: Matrix, limit: number): Figure {
  const matrix = downsampleMatrix(map, cells, cells);
  const picture = createSurfacePicture({ title, matrix, limit, theme, width: small, turn: 30, tilt: 35 });
  return { name: `surface-${toFileName(title)}`, picture, lines: createMatrixRows(matrix) };
}

function createCorrelationFigure(title: string, matrix: Matrix): Figure {
  const caption = `Correlation of inputs: ${title}`;
  const axes = ["inputs", "inputs"] as const;
  const picture = createMatrixPicture({ title: caption, matrix, limit: 1, theme, width: small, axes });
  return { name: `correlation-${toFileName(title)}`, picture, lines: createMatrixRows(matrix) };
}

export function toFileName(text: string): string {
  return text.replace(/[^\w.]+/g, "-").replace(/-+$/, "");
}
