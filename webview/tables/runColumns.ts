/** All columns that a table of runs can have. A column is a field of runs, with the text to show for it and its place. */
import {
  aggregates,
  createRunFields,
  type RunField,
  type RunKeys,
  type Settings,
} from "../../src/protocol/runFields";
import { describeDifference, isSameProtocol } from "../../src/protocol/lossProtocol";
import { getProtocol } from "../../src/protocol/protocolMarks";
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

export type EditableField = "name" | "tags" | "notes";

export interface RunColumn extends RunField {
  /** The heading of the column if the title is too long. */
  readonly heading?: string;
  readonly section: "Run" | "Size" | "Metrics" | "Baseline" | "Sweep" | "Settings";
  readonly width: number;
  /** Shown until a person chooses otherwise. */
  readonly shown: boolean;
  readonly edits?: EditableField;
  /** What is read; the value itself where there is nothing to format. */
  readonly text: (run: RunSummary) => string;
  /** Of a number of several runs at once, as their mean is. */
  readonly format?: (value: number) => string;
  /** Why a cell has no value, where that needs words. */
  readonly explain?: (run: RunSummary) => string | undefined;
}

interface ColumnOptions {
  readonly section?: RunColumn["section"];
  readonly heading?: string;
  readonly width?: number;
  readonly shown?: boolean;
  readonly edits?: EditableField;
  readonly format?: (value: number) => string;
  readonly text?: (run: RunSummary) => string;
  readonly explain?: (run: RunSummary) => string | undefined;
}

const defaultMetrics = new Set(["train/loss.last", "eval/loss.last", "eval/loss.min"]);

const leadingColumns: Readonly<Record<string, ColumnOptions>> = {
  star: { shown: true, width: 34 },
  name: { shown: true, width: 230, edits: "name" },
  state: { shown: true, width: 112 },
  progress: {
    shown: true,
    width: 120,
    format: (share) => `${Math.round(share * 100)} %`,
    text: ({ progress }) =>
      progress === undefined ? missingText : `${formatCount(progress.step)} / ${formatCount(progress.steps)}`,
  },
};

const sizeColumns: Readonly<Record<string, ColumnOptions>> = {
  parameters: { heading: "Parameters", shown: true, width: 120, format: formatCount },
  "parameters:total": { width: 130, format: formatCount },
  nonzero: { width: 120, format: formatCount },
  bytes: { format: formatBytes },
  "bytes:nonembedding": { format: formatBytes },
};

const trailingColumns: Readonly<Record<string, ColumnOptions>> = {
  experiment: {
    shown: true,
    width: 160,
    text: ({ experiment }) =>
      experiment === undefined ? missingText : getFileName(experiment).replace(/\.lathe\.md$/, ""),
  },
  variant: { shown: true, width: 110 },
  duration: { shown: true, width: 100, format: formatDuration },
  created: { shown: true, width: 145, text: ({ createdAt }) => formatDateTime(createdAt) },
  tags: { shown: true, width: 150, edits: "tags" },
  notes: { shown: true, width: 260, edits: "notes" },
  seed: { width: 70 },
  device: { width: 90 },
  problem: { width: 240 },
  id: { width: 230 },
};

export interface ColumnChoices {
  readonly baseline?: RunSummary | undefined;
  /** Settings are shown until a person chooses otherwise, and not only known to views and the filter. */
  readonly areColumns?: boolean;
}

export function createColumns(
  keys: RunKeys,
  settings: Settings,
  { baseline, areColumns = true }: ColumnChoices = {},
): readonly RunColumn[] {
  const fields = new Map(createRunFields(keys, settings).map((field) => [field.id, field]));
  const create = (id: string, options: ColumnOptions) => createColumn(fields.get(id)!, options);
  const createAll = (columns: Readonly<Record<string, ColumnOptions>>, section: RunColumn["section"]) =>
    Object.entries(columns).map(([id, options]) => create(id, { section, ...options }));
  return [
    ...createAll(leadingColumns, "Run"),
    ...keys.metrics.flatMap((metric) =>
      aggregates.map((aggregate) => {
        const id = `${metric}.${aggregate}`;
        return create(id, {
          section: "Metrics",
          shown: defaultMetrics.has(id),
          width: 124,
          format: formatAligned,
        });
      }),
    ),
    ...(baseline === undefined
      ? []
      : keys.metrics.map((metric) => createDifferenceColumn(metric, baseline, keys.metrics))),
    ...createAll(sizeColumns, "Size"),
    ...keys.sweepKeys.map((key) =>
      create(`sweep:${key}`, {
        section: "Sweep",
        heading: key.slice(key.lastIndexOf(".") + 1),
        shown: true,
        width: 140,
      }),
    ),
    ...keys.settingKeys.map((key) =>
      create(`setting:${key}`, { section: "Settings", shown: areColumns, width: 140 }),
    ),
    ...createAll(trailingColumns, "Run"),
  ];
}

/** Equal for equal columns; differences are to values of the baseline. */
export function createColumnsKey(columns: readonly RunColumn[], baseline: RunSummary | undefined): string {
  return JSON.stringify([columns.map(({ id, shown }) => [id, shown]), baseline?.folder, baseline?.metrics]);
}

/** Of the headline alone until a person chooses more: the loss of the evaluation, or of training where none is evaluated. */
function createDifferenceColumn(metric: string, baseline: RunSummary, metrics: readonly string[]): RunColumn {
  const headline = metrics.includes("eval/loss") ? "eval/loss" : "train/loss";
  const base = baseline.metrics[metric]?.last ?? undefined;
  const baseProtocol = getProtocol(baseline, metric);
  /** In what the run's value was measured differently. */
  const explain = (run: RunSummary) => {
    const protocol = getProtocol(run, metric);
    return baseProtocol === undefined || protocol === undefined || isSameProtocol(protocol, baseProtocol)
      ? undefined
      : `Not comparable with the baseline: ${describeDifference(protocol, baseProtocol)}`;
  };
  const value = (run: RunSummary) => {
    const last = run.metrics[metric]?.last ?? undefined;
    if (base === undefined || last === undefined || explain(run) !== undefined) return undefined;
    return last - base;
  };
  const title = `${metric} − baseline`;
  const field = { id: `difference:${metric}`, title, numeric: true, value };
  return createColumn(field, {
    section: "Baseline",
    shown: metric === headline,
    width: 150,
    format: formatDifference,
    explain,
    text: (run) => {
      if (explain(run) !== undefined) return "not comparable";
      const difference = value(run);
      return difference === undefined ? missingText : formatDifference(difference);
    },
  });
}

function formatDifference(value: number): string {
  return value > 0 ? `+${formatAligned(value)}` : formatAligned(value);
}

function createColumn(field: RunField, options: ColumnOptions): RunColumn {
  const { format = String } = options;
  const text = (run: RunSummary) => {
    const value = field.value(run);
    if (value === undefined) return missingText;
    return typeof value === "number" && field.numeric ? format(value) : String(value);
  };
  // A star is a number only for sorting.
  const numeric = field.numeric && field.id !== "star";
  return { section: "Run", width: 100, shown: false, text, ...field, ...options, numeric };
}
