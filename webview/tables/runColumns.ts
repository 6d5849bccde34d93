/** All columns that a table of runs can have. A column defines the value to sort and filter by, and the text to show. */
import type { RunSummary } from "../../src/protocol/service/runs";
import { fileName } from "../../src/protocol/fileName";
import { aligned, bytes, count, duration, missing, moment } from "../../src/protocol/quantities";

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

interface Described {
  readonly section?: RunColumn["section"];
  readonly heading?: string;
  readonly width?: number;
  readonly shown?: boolean;
  readonly edits?: EditableField;
}

/** What may vary from one folder of runs to the next. */
export interface Seen {
  readonly metrics: readonly string[];
  readonly sweepKeys: readonly string[];
  readonly settingKeys: readonly string[];
}

const usualMetrics = new Set(["train/loss.last", "eval/loss.last", "eval/loss.min"]);

export function columnsOf(seen: Seen, settings: Settings): readonly RunColumn[] {
  return [
    ...leading,
    ...seen.metrics.flatMap(metricColumns),
    ...sizes,
    ...seen.sweepKeys.map((key) =>
      words(`sweep:${key}`, key, ({ sweep }) => plain(sweep[key]), {
        section: "Sweep",
        heading: key.slice(key.lastIndexOf(".") + 1),
        shown: true,
      }),
    ),
    ...seen.settingKeys.map((key) =>
      words(`setting:${key}`, key, ({ folder }) => plain(settings.get(folder)?.[key] ?? undefined), {
        section: "Settings",
        shown: true,
      }),
    ),
    ...trailing,
  ];
}

export function seenIn(runs: Iterable<RunSummary>, settings: Settings): Seen {
  const [metrics, sweepKeys, settingKeys] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const run of runs) {
    for (const metric in run.metrics) metrics.add(metric);
    for (const key in run.sweep) sweepKeys.add(key);
  }
  for (const each of settings.values()) for (const key in each) settingKeys.add(key);
  const sorted = (set: Set<string>) => [...set].sort();
  return { metrics: sorted(metrics), sweepKeys: sorted(sweepKeys), settingKeys: sorted(settingKeys) };
}

const leading: readonly RunColumn[] = [
  {
    ...numbers("star", "Star", ({ star }) => (star ? 1 : 0), count, { shown: true, width: 34 }),
    numeric: false,
  },
  words("name", "Name", ({ name }) => name, { shown: true, width: 230, edits: "name" }),
  words("state", "State", ({ state }) => state, { shown: true, width: 112 }),
  numbers(
    "progress",
    "Progress",
    ({ progress }) => (progress === undefined ? undefined : progress.step / Math.max(1, progress.steps)),
    (_, { progress }) => `${count(progress?.step ?? 0)} / ${count(progress?.steps ?? 0)}`,
    { shown: true, width: 120 },
  ),
];

const sizes: readonly RunColumn[] = [
  numbers("parameters", "Parameters, non-embedding", ({ counts }) => counts?.nonEmbedding.stored, count, {
    section: "Size",
    heading: "Parameters",
    shown: true,
    width: 120,
  }),
  numbers("parameters:total", "Parameters, total", ({ counts }) => counts?.total.stored, count, {
    section: "Size",
    width: 130,
  }),
  numbers("nonzero", "Non-zero, total", ({ counts }) => counts?.total.nonZero, count, {
    section: "Size",
    width: 120,
  }),
  numbers("bytes", "Bytes, total", ({ counts }) => counts?.total.bytes, bytes, {
    section: "Size",
    width: 100,
  }),
  numbers("bytes:nonembedding", "Bytes, non-embedding", ({ counts }) => counts?.nonEmbedding.bytes, bytes, {
    section: "Size",
    width: 100,
  }),
];

const trailing: readonly RunColumn[] = [
  {
    ...words("experiment", "Experiment", ({ experiment }) => experiment && fileName(experiment), {
      shown: true,
      width: 160,
    }),
    text: ({ experiment }) =>
      experiment === undefined ? missing : fileName(experiment).replace(/\.lathe\.md$/, ""),
  },
  words("variant", "Variant", ({ variant }) => variant || undefined, { shown: true, width: 110 }),
  numbers("duration", "Duration", ({ seconds }) => seconds, duration, { shown: true, width: 100 }),
  {
    ...words("created", "Created", ({ createdAt }) => createdAt || undefined, { shown: true, width: 145 }),
    text: ({ createdAt }) => moment(createdAt),
  },
  words("tags", "Tags", ({ tags }) => tags.join(", ") || undefined, {
    shown: true,
    width: 150,
    edits: "tags",
  }),
  words("notes", "Notes", ({ notes }) => notes || undefined, { shown: true, width: 260, edits: "notes" }),
  numbers("seed", "Seed", ({ seed }) => seed, String, { width: 70 }),
  words("device", "Device", ({ device }) => device?.name, { width: 90 }),
  words("problem", "Problem", ({ failure, notices }) => failure?.message ?? notices[0], { width: 240 }),
  words("id", "Run", ({ id }) => id, { width: 230 }),
];

function metricColumns(metric: string): RunColumn[] {
  return (["last", "min", "max"] as const).map((which) => {
    const id = `${metric}.${which}`;
    return numbers(
      id,
      which === "last" ? metric : `${metric} ${which}`,
      ({ metrics }) => metrics[metric]?.[which] ?? undefined,
      (value) => aligned(value),
      {
        section: "Metrics",
        shown: usualMetrics.has(id),
        width: 124,
      },
    );
  });
}

function words(
  id: string,
  title: string,
  value: (run: RunSummary) => CellValue,
  given: Described,
): RunColumn {
  const text = (run: RunSummary) => String(value(run) ?? missing);
  return { id, title, section: "Run", width: 140, numeric: false, shown: false, ...given, value, text };
}

function numbers(
  id: string,
  title: string,
  value: (run: RunSummary) => number | undefined,
  format: (value: number, run: RunSummary) => string,
  given: Described,
): RunColumn {
  const text = (run: RunSummary) => {
    const found = value(run);
    return found === undefined ? missing : format(found, run);
  };
  return { id, title, section: "Run", width: 100, numeric: true, shown: false, ...given, value, text };
}

/** Numbers stay numbers, so that they sort as such. */
function plain(value: unknown): CellValue {
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  return JSON.stringify(value);
}
