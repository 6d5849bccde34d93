/** What runs are sorted, filtered, grouped and exported by: the same names in the tree, the table, the charts and the filter. */
import { getFileName } from "./fileName";
import type { RunSummary } from "./service/runs";

export type FieldValue = string | number | undefined;

export interface RunField {
  readonly id: string;
  readonly title: string;
  readonly numeric: boolean;
  /** The metric that the value is of: comparable only between runs that measured it alike. */
  readonly metric?: string;
  readonly value: (run: RunSummary) => FieldValue;
  /** Of a field with several values at once: each of them. */
  readonly list?: (run: RunSummary) => readonly string[];
}

/** Setting → value of one run, as `runs.differences` returns it. */
export type Settings = ReadonlyMap<string, Readonly<Record<string, string | number | boolean | null>>>;

/** What may vary from one folder of runs to the next. */
export interface RunKeys {
  readonly metrics: readonly string[];
  readonly sweepKeys: readonly string[];
  readonly settingKeys: readonly string[];
}

export const aggregates = ["last", "min", "max"] as const;

const noSettings: Settings = new Map();

/** The fields that every run has. */
export const runFields: readonly RunField[] = [
  {
    ...createNumberField("star", "Star", ({ star }) => (star ? 1 : 0)),
    list: ({ star }) => (star ? ["yes", "1"] : ["no", "0"]),
  },
  createTextField("name", "Name", ({ name }) => name),
  createTextField("state", "State", ({ state }) => state),
  createNumberField("progress", "Progress", ({ progress }) =>
    progress === undefined ? undefined : progress.step / Math.max(1, progress.steps),
  ),
  createNumberField("parameters", "Parameters, non-embedding", ({ counts }) => counts?.nonEmbedding.stored),
  createNumberField("parameters:total", "Parameters, total", ({ counts }) => counts?.total.stored),
  createNumberField("nonzero", "Non-zero, total", ({ counts }) => counts?.total.nonZero),
  createNumberField("bytes", "Bytes, total", ({ counts }) => counts?.total.bytes),
  createNumberField("bytes:nonembedding", "Bytes, non-embedding", ({ counts }) => counts?.nonEmbedding.bytes),
  createTextField("experiment", "Experiment", ({ experiment }) => experiment && getFileName(experiment)),
  createTextField("variant", "Variant", ({ variant }) => variant || undefined),
  createNumberField("duration", "Duration", ({ seconds }) => seconds),
  createTextField("created", "Created", ({ createdAt }) => createdAt || undefined),
  {
    ...createTextField("tags", "Tags", ({ tags }) => tags.join(", ") || undefined),
    list: ({ tags }) => tags,
  },
  createTextField("notes", "Notes", ({ notes }) => notes || undefined),
  createNumberField("seed", "Seed", ({ seed }) => seed),
  createTextField("device", "Device", ({ device }) => device?.name),
  createTextField("problem", "Problem", ({ failure, notices }) => failure?.message ?? notices[0]),
  createTextField("id", "Run", ({ id }) => id),
];

const idsOfRunFields = new Set(runFields.map(({ id }) => id));

export function createRunFields(
  { metrics, sweepKeys, settingKeys }: RunKeys,
  settings: Settings = noSettings,
): readonly RunField[] {
  return [
    ...runFields,
    ...metrics.flatMap((metric) =>
      aggregates.map((aggregate) => ({
        metric,
        ...createNumberField(
          `${metric}.${aggregate}`,
          aggregate === "last" ? metric : `${metric} ${aggregate}`,
          (run) => run.metrics[metric]?.[aggregate] ?? undefined,
        ),
      })),
    ),
    ...sweepKeys.map((key) => createTextField(`sweep:${key}`, key, ({ sweep }) => toFieldValue(sweep[key]))),
    ...settingKeys.map((key) =>
      createTextField(`setting:${key}`, key, ({ folder }) =>
        toFieldValue(settings.get(folder)?.[key] ?? undefined),
      ),
    ),
  ];
}

export function collectKeys(runs: Iterable<RunSummary>, settings: Settings = noSettings): RunKeys {
  const [metrics, sweepKeys, settingKeys] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const run of runs) {
    for (const metric in run.metrics) metrics.add(metric);
    for (const key in run.sweep) sweepKeys.add(key);
  }
  // A setting that has a field already, as the seed and what a sweep assigns, gets no other.
  for (const each of settings.values())
    for (const key in each) if (!sweepKeys.has(key) && !isRunField(key)) settingKeys.add(key);
  const toSorted = (set: Set<string>) => [...set].sort();
  return { metrics: toSorted(metrics), sweepKeys: toSorted(sweepKeys), settingKeys: toSorted(settingKeys) };
}

/** Whether every run has a field for a setting. */
export function isRunField(key: string): boolean {
  return idsOfRunFields.has(key);
}

function createTextField(id: string, title: string, value: (run: RunSummary) => FieldValue): RunField {
  return { id, title, numeric: false, value };
}

function createNumberField(
  id: string,
  title: string,
  value: (run: RunSummary) => number | undefined,
): RunField {
  return { id, title, numeric: true, value };
}

/** Numbers stay numbers, so that they sort as such. */
function toFieldValue(value: unknown): FieldValue {
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  return JSON.stringify(value);
}
