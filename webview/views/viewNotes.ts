/** What a picture of runs cannot show, in sentences: runs without a value, and losses that cannot be compared. */
import type { ProtocolMarks } from "../../src/protocol/protocolMarks";
import { compareText } from "../../src/protocol/compareText";
import { pluralize } from "../../src/protocol/quantities";
import type { RunSummary } from "../../src/protocol/service/runs";
import { getAxisValue, type ViewField } from "./viewFields";
import type { ViewPage } from "./viewPage";

const maxNames = 8;

export function describeMissing(
  field: ViewField,
  runs: readonly RunSummary[],
  names: ReadonlyMap<string, string>,
  consequence: string,
): string[] {
  const missing = runs.filter((run) => getAxisValue(field, run) === undefined);
  return missing.length === 0
    ? []
    : [
        `${consequence}, because ${missing.length === 1 ? "it has" : "they have"} no ${field.title}: ${listNames(missing, names)}.`,
      ];
}

export function listNames(runs: readonly RunSummary[], names: ReadonlyMap<string, string>): string {
  const shown = runs.slice(0, maxNames).map(({ folder, name }) => names.get(folder) ?? name);
  const rest = runs.length - shown.length;
  return rest === 0 ? shown.join(", ") : `${shown.join(", ")} and ${pluralize(rest, "other run")}`;
}

/** For each metric, that its values on one axis were measured in different ways, and which run has which. */
export function describeProtocols(
  fields: readonly ViewField[],
  { runs: shown, marks, names }: Pick<ViewPage, "runs" | "marks" | "names">,
): string[] {
  const metrics = new Set(fields.flatMap(({ column }) => column.metric ?? []));
  return [...metrics].flatMap((metric) => {
    const explanation = marks.explain(metric);
    if (explanation === undefined) return [];
    const byLetter = [...groupByLetter(metric, shown, marks)].map(
      ([letter, runs]) => `${letter}: ${listNames(runs, names)}`,
    );
    return [`${explanation} Runs of ${byLetter.join("; of ")}.`];
  });
}

/** The runs that measured a metric as most of them did. */
export function selectComparable(
  metric: string,
  runs: readonly RunSummary[],
  marks: ProtocolMarks,
): { readonly comparable: readonly RunSummary[]; readonly left: readonly RunSummary[] } {
  if (!marks.has(metric)) return { comparable: runs, left: [] };
  const groups = [...groupByLetter(metric, runs, marks).values()];
  const comparable = groups.reduce((best, each) => (each.length > best.length ? each : best), []);
  return { comparable, left: runs.filter((run) => !comparable.includes(run)) };
}

function groupByLetter(
  metric: string,
  runs: readonly RunSummary[],
  marks: ProtocolMarks,
): Map<string, readonly RunSummary[]> {
  const groups = new Map<string, RunSummary[]>();
  for (const run of runs) {
    const letter = marks.get(run, metric)?.letter;
    if (letter !== undefined) groups.set(letter, [...(groups.get(letter) ?? []), run]);
  }
  return new Map([...groups].sort(([a], [b]) => compareText(a, b)));
}
