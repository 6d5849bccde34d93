/** The text form of one line of `metrics.jsonl`, and the summary of all lines in the record. */
import type { MetricLine, RunRecord } from "../../../protocol/run";

export const maxLineBytes = 256 * 1024;

/** JSON has no NaN and no infinity: both are written as null and read back as NaN. */
export function formatMetricLine(line: MetricLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Undefined for text that is not a metric line. */
export function parseMetricLine(text: string): MetricLine | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const entries = value as Record<string, unknown>;
  const { step, tokens, seconds } = entries;
  if (typeof step !== "number" || typeof seconds !== "number") return undefined;
  if (tokens !== undefined && typeof tokens !== "number") return undefined;
  const line: Record<string, number> = {};
  for (const [name, entry] of Object.entries(entries)) {
    if (entry !== null && typeof entry !== "number") return undefined;
    if (name.includes("/")) line[name] = entry ?? NaN;
  }
  return { ...line, step, ...(tokens === undefined ? {} : { tokens }), seconds };
}

/** The metrics of a line without its coordinates. */
export function listMetrics(line: MetricLine): readonly (readonly [name: string, value: number])[] {
  return Object.entries(line).filter(([name]) => name.includes("/")) as [string, number][];
}

export type Summary = RunRecord["summary"];

/** Values that are not finite are skipped; `last` then remains the last finite value. */
export function addToSummary(summary: Summary, line: MetricLine): Summary {
  const next = { ...summary };
  for (const [name, value] of listMetrics(line)) {
    if (!Number.isFinite(value)) continue;
    const before = next[name];
    next[name] = {
      last: value,
      min: Math.min(value, before?.min ?? value),
      max: Math.max(value, before?.max ?? value),
    };
  }
  return next;
}
