/** All columns that a table of runs can have. A column defines the value to sort and filter by, and the text to show. */
import type { RunSummary } from "../../src/protocol/service/runs";
import { getFileName } from "../../src/protocol/fileName";
import {
  formatAligned,
  formatBytes,
  formatCount,
  formatDuration,
  missingText,
  formatDateTime,
} from "../../src/protocol/quantities";

export type CellValue = string | number | undefined;
export type EditableField = "name" | "tags" | "notes";

export interface RunColumn {
  readonly id: string;
  readonly title: string;
  /** The heading of the column if the title is too long. */
  readonly heading?: string;
  readonly section: "Run" | "Size" | "Metrics" | "Sweep" | "Settings";
  readonly width: number;
  /** Numbers are aligned to the right, digit under digit. */
  readonly numeric: boolean;
  /** Shown until a person chooses otherwise. */
  readonly shown: boolean;
  readonly edits?: EditableField;
  /** What sorts, filters and is exported. */
  readonly value: (run: RunSummary) => CellValue;
  /** What is read; the value itself where there is nothing to format. */
  readonly text: (run: RunSummary) => string;
}

/** Setting → value of one run, as `runs.differences` returns it. */
export type Settings = ReadonlyMap<string, Readonly<Record<string, string | number | boolean | null>>>;

interface ColumnOptions {
  readonly section?: RunColumn["section"];
  readonly heading?: string;
  readonly width?: number;
  readonly shown?: boolean;
  readonly edits?: EditableField;
}

/** What may vary from one folder of runs to the next. */
export interface RunKeys {
  readonly metrics: readonly string[];
  readonly sweepKeys: readonly string[];
  readonly settingKeys: readonly string[];
}

const defaultMetrics = new Set(["train/loss.last", "eval/loss.last", "eval/loss.min"]);

export function createColumns(keys: RunKeys, settings: Settings): readonly RunColumn[] {
  return [
    ...leadingColumns,
    ...keys.metrics.flatMap(createMetricColumns),
    ...sizeColumns,
    ...keys.sweepKeys.map((key) =>
      createTextColumn(`sweep:${key}`, key, ({ sweep }) => toCellValue(sweep[key]), {
        section: "Sweep",
        heading: key.slice(key.lastIndexOf(".") + 1),
        shown: true,
      }),
    ),
    ...keys.settingKeys.map((key) =>
      createTextColumn(
        `setting:${key}`,
        key,
        ({ folder }) => toCellValue(settings.get(folder)?.[key] ?? undefined),
        {
          section: "Settings",
          shown: true,
        },
      ),
    ),
    ...trailingColumns,
  ];
}

export function collectKeys(runs: Iterable<RunSummary>, settings: Settings): RunKeys {
  const [metrics, sweepKeys, settingKeys] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const run of runs) {
    for (const metric in run.metrics) metrics.add(metric);
    for (const key in run.sweep) sweepKeys.add(key);
  }
  // A setting that has a column already, as the seed and what a sweep assigns, gets no other.
  for (const each of settings.values())
    for (const key in each) if (!sweepKeys.has(key) && !isRunColumn(key)) settingKeys.add(key);
  const toSorted = (set: Set<string>) => [...set].sort();
  return { metrics: toSorted(metrics), sweepKeys: toSorted(sweepKeys), settingKeys: toSorted(settingKeys) };
}

/** Whether a setting is shown by a column that every table has. */
export function isRunColumn(key: string): boolean {
  return [...leadingColumns, ...trailingColumns].some(({ id }) => id === key);
}

const leadingColumns: readonly RunColumn[] = [
  {
    ...createNumberColumn("star", "Star", ({ star }) => (star ? 1 : 0), formatCount, {
      shown: true,
      width: 34,
    }),
    numeric: false,
  },
  createTextColumn("name", "Name", ({ name }) => name, { shown: true, width: 230, edits: "name" }),
  createTextColumn("state", "State", ({ state }) => state, { shown: true, width: 112 }),
  createNumberColumn(
    "progress",
    "Progress",
    ({ progress }) => (progress === undefined ? undefined : progress.step / Math.max(1, progress.steps)),
    (_, { progress }) => `${formatCount(progress?.step ?? 0)} / ${formatCount(progress?.steps ?? 0)}`,
    { shown: true, width: 120 },
  ),
];

const sizeColumns: readonly RunColumn[] = [
  createNumberColumn(
    "parameters",
    "Parameters, non-embedding",
    ({ counts }) => counts?.nonEmbedding.stored,
    formatCount,
    {
      section: "Size",
      heading: "Parameters",
      shown: true,
      width: 120,
    },
  ),
  createNumberColumn(
    "parameters:total",
    "Parameters, total",
    ({ counts }) => counts?.total.stored,
    formatCount,
    {
      section: "Size",
      width: 130,
    },
  ),
  createNumberColumn("nonzero", "Non-zero, total", ({ counts }) => counts?.total.nonZero, formatCount, {
    section: "Size",
    width: 120,
  }),
  createNumberColumn("bytes", "Bytes, total", ({ counts }) => counts?.total.bytes, formatBytes, {
    section: "Size",
    width: 100,
  }),
  createNumberColumn(
    "bytes:nonembedding",
    "Bytes, non-embedding",
    ({ counts }) => counts?.nonEmbedding.bytes,
    formatBytes,
    {
      section: "Size",
      width: 100,
    },
  ),
];

const trailingColumns: readonly RunColumn[] = [
  {
    ...createTextColumn(
      "experiment",
      "Experiment",
      ({ experiment }) => experiment && getFileName(experiment),
      {
        shown: true,
        width: 160,
      },
    ),
    text: ({ experiment }) =>
      experiment === undefined ? missingText : getFileName(experiment).replace(/\.lathe\.md$/, ""),
  },
  createTextColumn("variant", "Variant", ({ variant }) => variant || undefined, { shown: true, width: 110 }),
  createNumberColumn("duration", "Duration", ({ seconds }) => seconds, formatDuration, {
    shown: true,
    width: 100,
  }),
  {
    ...createTextColumn("created", "Created", ({ createdAt }) => createdAt || undefined, {
      shown: true,
      width: 145,
    }),
    text: ({ createdAt }) => formatDateTime(createdAt),
  },
  createTextColumn("tags", "Tags", ({ tags }) => tags.join(", ") || undefined, {
    shown: true,
    width: 150,
    edits: "tags",
  }),
  createTextColumn("notes", "Notes", ({ notes }) => notes || undefined, {
    shown: true,
    width: 260,
    edits: "notes",
  }),
  createNumberColumn("seed", "Seed", ({ seed }) => seed, String, { width: 70 }),
  createTextColumn("device", "Device", ({ device }) => device?.name, { width: 90 }),
  createTextColumn("problem", "Problem", ({ failure, notices }) => failure?.message ?? notices[0], {
    width: 240,
  }),
  createTextColumn("id", "Run", ({ id }) => id, { width: 230 }),
];

function createMetricColumns(metric: string): RunColumn[] {
  return (["last", "min", "max"] as const).map((aggregate) => {
    const id = `${metric}.${aggregate}`;
    return createNumberColumn(
      id,
      aggregate === "last" ? metric : `${metric} ${aggregate}`,
      ({ metrics }) => metrics[metric]?.[aggregate] ?? undefined,
      (value) => formatAligned(value),
      {
        section: "Metrics",
        shown: defaultMetrics.has(id),
        width: 124,
      },
    );
  });
}

function createTextColumn(
  id: string,
  title: string,
  value: (run: RunSummary) => CellValue,
  options: ColumnOptions,
): RunColumn {
  const text = (run: RunSummary) => String(value(run) ?? missingText);
  return { id, title, section: "Run", width: 140, numeric: false, shown: false, ...options, value, text };
}

function createNumberColumn(
  id: string,
  title: string,
  value: (run: RunSummary) => number | undefined,
  format: (value: number, run: RunSummary) => string,
  options: ColumnOptions,
): RunColumn {
  const text = (run: RunSummary) => {
    const number = value(run);
    return number === undefined ? missingText : format(number, run);
  };
  return { id, title, section: "Run", width: 100, numeric: true, shown: false, ...options, value, text };
}

/** Numbers stay numbers, so that they sort as such. */
function toCellValue(value: unknown): CellValue {
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  return JSON.stringify(value);
}
