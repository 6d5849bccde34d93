/** How much each setting of runs matters for a metric: its correlation with it, and its importance in a forest. */
import { formatNumber, pluralize } from "../protocol/quantities";
import { computeCorrelationRatio, spearman } from "./correlation";
import { type FeatureValue, growForest } from "./randomForest";

/** A setting with its value in each run. */
export interface SettingColumn {
  readonly id: string;
  readonly title: string;
  readonly values: readonly FeatureValue[];
}

export interface SettingImportance {
  readonly id: string;
  readonly title: string;
  /** How much R² falls when the setting is permuted; undefined if there are too few runs. */
  readonly importance?: number;
  /** Spearman's ρ of a number, the correlation ratio η of categories, over the runs that have the setting. */
  readonly correlation?: {
    readonly kind: "Spearman ρ" | "ratio η";
    readonly value: number;
    readonly runs: number;
  };
}

export interface ImportanceReport {
  readonly runs: number;
  /** R² of the forest out of bag; undefined if there are too few runs or no setting varies. */
  readonly r2?: number;
  /** The most important first. */
  readonly settings: readonly SettingImportance[];
  /** Titles of settings with one value in all runs. */
  readonly constant: readonly string[];
}

/** With fewer runs, hardly three are out of bag. */
export const minRuns = 10;
/** Below it, a forest predicts hardly better than the mean. */
const minR2 = 0.1;
const modestR2 = 0.5;

const [trees, seed] = [200, 1];

/** A permutation of few runs is mostly chance, so that there are more of them. */
function countPermutations(runs: number): number {
  return Math.max(5, Math.min(50, Math.round(3000 / runs)));
}

/** Computes in small steps, each of which may be the last of a page's time slice. `target` is the metric of each run. */
export function* computeImportances(
  columns: readonly SettingColumn[],
  target: readonly number[],
): Generator<undefined, ImportanceReport, undefined> {
  const varying = columns.filter(({ values }) => new Set(values).size > 1);
  const constant = columns.filter((each) => !varying.includes(each)).map(({ title }) => title);
  const runs = target.length;
  const isConstant = new Set(target).size < 2;
  const result =
    runs < minRuns || varying.length === 0 || isConstant
      ? undefined
      : yield* growForest(
          varying.map(({ values }) => values),
          target,
          { trees, seed, repeats: countPermutations(runs) },
        );
  const settings = varying.map(({ id, title, values }, i): SettingImportance => {
    const importance = result?.importances[i];
    const correlation = correlate(values, target);
    return {
      id,
      title,
      ...(importance === undefined ? {} : { importance }),
      ...(correlation === undefined ? {} : { correlation }),
    };
  });
  const rank = ({ importance, correlation }: SettingImportance) =>
    importance ?? Math.abs(correlation?.value ?? 0);
  return {
    runs,
    ...(result === undefined ? {} : { r2: result.r2 }),
    settings: settings.sort((a, b) => rank(b) - rank(a)),
    constant,
  };
}

/** Whether the forest predicts well enough that its importances mean something. */
export function isInformative({ r2 }: ImportanceReport): boolean {
  return r2 !== undefined && r2 >= minR2;
}

/** What a reader has to know before the bars. */
export function describeImportances(report: ImportanceReport, metric: string): string {
  const { runs, r2, settings } = report;
  if (settings.length === 0) return `No setting differs among these ${pluralize(runs, "run")}.`;
  if (r2 === undefined)
    return runs < minRuns
      ? `${pluralize(runs, "run")} with ${metric} are too few for a forest, which needs ${minRuns}. Only correlations are shown.`
      : `${metric} is the same in all ${runs} runs, so nothing explains it.`;
  const measured = `R² ${formatNumber(r2, 2)} out of bag, ${runs} runs, ${trees} trees`;
  if (r2 < minR2)
    return `The forest explains nothing (${measured}): these settings do not predict ${metric}, so only correlations are shown.`;
  return r2 < modestR2
    ? `The forest explains little of ${metric} (${measured}): read the importances with care.`
    : `The forest explains ${metric} well (${measured}).`;
}

function correlate(
  values: readonly FeatureValue[],
  target: readonly number[],
): SettingImportance["correlation"] {
  const rows = values.flatMap((value, i) => (value === undefined ? [] : [{ value, y: target[i]! }]));
  if (rows.length < 3) return undefined;
  const ys = rows.map(({ y }) => y);
  const isCategorical = rows.some(({ value }) => typeof value === "string");
  const value = isCategorical
    ? computeCorrelationRatio(
        rows.map((row) => String(row.value)),
        ys,
      )
    : spearman(
        rows.map((row) => row.value as number),
        ys,
      );
  if (value === null) return undefined;
  return { kind: isCategorical ? "ratio η" : "Spearman ρ", value, runs: rows.length };
}

/** The figures as rows of a CSV file. */
export function formatImportances({ settings, r2, runs }: ImportanceReport): string[][] {
  return [
    ["setting", "importance", "correlation", "kind of correlation", "runs", "R2 out of bag"],
    ...settings.map(({ title, importance, correlation }) => [
      title,
      String(importance ?? ""),
      String(correlation?.value ?? ""),
      correlation?.kind ?? "",
      String(runs),
      String(r2 ?? ""),
    ]),
  ];
}
