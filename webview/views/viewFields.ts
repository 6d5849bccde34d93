/** The fields of runs that make sense as an axis: settings that differ, counts, and metrics. */
import type { AxisValue } from "../../src/pictures/axisScale";
import type { RunSummary } from "../../src/protocol/service/runs";
import type { RunColumn } from "../tables/runColumns";

export interface ViewField {
  readonly id: string;
  /** As short as distinguishes it. */
  readonly title: string;
  readonly kind: "setting" | "count" | "metric";
  readonly column: RunColumn;
}

const settingColumns = new Set(["variant", "experiment", "device", "seed"]);
const countColumns = new Set(["duration", "progress"]);
/** Axes that are shown until a person chooses others; more would be too narrow. */
const maxDefaultAxes = 7;
const headlines = ["eval/loss.last", "train/loss.last"];

/** Settings and counts that differ among the runs, and metrics that at least one has. */
export function listViewFields(columns: readonly RunColumn[], runs: readonly RunSummary[]): ViewField[] {
  const fields = columns.flatMap((column): Omit<ViewField, "title">[] => {
    const kind = getKind(column);
    if (kind === undefined) return [];
    const values = new Set(runs.map((run) => column.value(run)));
    if (kind === "metric" ? values.size === 1 && values.has(undefined) : values.size < 2) return [];
    return [{ id: column.id, kind, column }];
  });
  const shortTitles = fields.map(({ column: { title, heading } }) => heading ?? title.split(".").at(-1)!);
  return fields.map((field, i) => {
    const short = shortTitles[i]!;
    const isUnique = shortTitles.filter((each) => each === short).length === 1;
    return { ...field, title: field.kind === "setting" && isUnique ? short : field.column.title };
  });
}

function getKind({ id, section }: RunColumn): ViewField["kind"] | undefined {
  if (section === "Sweep" || section === "Settings" || settingColumns.has(id)) return "setting";
  if (section === "Size" || countColumns.has(id)) return "count";
  return section === "Metrics" ? "metric" : undefined;
}

export function findHeadline(fields: readonly ViewField[]): ViewField | undefined {
  const metrics = fields.filter(({ kind }) => kind === "metric");
  return (
    headlines.flatMap((id) => metrics.find((field) => field.id === id) ?? [])[0] ??
    metrics.find(({ id }) => id.endsWith(".last"))
  );
}

/** What a sweep assigns first, then other settings; a seed is a repetition, not a setting. The metric is the last axis. */
export function chooseAxes(fields: readonly ViewField[], metric: ViewField | undefined): string[] {
  const rank = ({ column: { section, id } }: ViewField) =>
    section === "Sweep" ? 0 : id === "variant" ? 1 : section === "Settings" ? 2 : 3;
  const settings = fields
    .filter((field) => field.kind === "setting" && !isSeed(field))
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, maxDefaultAxes);
  return [...settings.map(({ id }) => id), ...(metric === undefined ? [] : [metric.id])];
}

export function isSeed({ id }: ViewField): boolean {
  return /(^|[:.])seed$/.test(id);
}

export function getValues(field: ViewField, runs: readonly RunSummary[]): AxisValue[] {
  return runs.map((run) => getAxisValue(field, run));
}

/** A loss that is not a number has no place on an axis. */
export function getAxisValue({ column }: ViewField, run: RunSummary): AxisValue {
  const value = column.value(run);
  return typeof value === "number" && !Number.isFinite(value) ? undefined : value;
}
