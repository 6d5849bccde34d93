/** All that a row has no room for, as Markdown. Foreign text is escaped; what is not there is left out. */
import type { Counts } from "../../../protocol/counts";
import type { RunSummary } from "../../../protocol/service/runs";
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatDateTime,
  formatProgress,
} from "../../../protocol/quantities";
import { escapeMarkdown as safe } from "../text";
import { computeProgress, statePresentations } from "./runStates";

const maxSettings = 12;
const maxMetrics = 8;
const maxNotices = 5;

export function createRunTooltip(run: RunSummary): string {
  const { state, variant, seed, sweep, device, failure, notices, tags, notes, star } = run;
  const settings = Object.entries(sweep);
  const facts: readonly (readonly [name: string, text: string | undefined])[] = [
    ["Variant", variant === "" ? undefined : safe(variant)],
    ["Seed", state === "unreadable" ? undefined : safe(String(seed))],
    ["Sweep", settings.length === 0 ? undefined : formatSettings(settings)],
    ["Device", device && `${safe(device.name)}, ${safe(device.description)} (${safe(device.reason)})`],
    ["Progress", formatRunProgress(run)],
    ["Time", formatTimes(run)],
    ["Parameters without embeddings", run.counts && formatCounts(run.counts.nonEmbedding)],
    ["Parameters in total", run.counts && formatCounts(run.counts.total)],
    [
      "Tags",
      tags.length === 0
        ? undefined
        : tags
            .slice(0, maxSettings)
            .map((tag) => safe(tag))
            .join(", "),
    ],
  ];
  const lines = facts.flatMap(([name, text]) => (text === undefined ? [] : [`${name}: ${text}`]));
  return [
    `**${safe(run.name)}** ${star ? "★ " : ""}${statePresentations[state].word}`,
    ...(failure === undefined ? [] : [`**${safe(failure.message, 1000)}**`]),
    ...(lines.length === 0 ? [] : [lines.join("  \n")]),
    ...formatMetrics(run),
    ...notices.slice(0, maxNotices).map((notice) => `Notice: ${safe(notice)}`),
    ...(notices.length > maxNotices ? [`${notices.length - maxNotices} more notices`] : []),
    ...(notes.trim() === "" ? [] : [`Notes: ${safe(notes, 1000)}`]),
    safe(run.id),
  ].join("\n\n");
}

function formatSettings(settings: readonly (readonly [string, unknown])[]): string {
  const lines = settings
    .slice(0, maxSettings)
    .map(([path, value]) => safe(`${path} = ${formatValue(value)}`));
  return lines.join(", ") + (settings.length > maxSettings ? ", …" : "");
}

function formatValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function formatRunProgress(run: RunSummary): string | undefined {
  const { progress, state } = run;
  const share = computeProgress(run);
  if (progress === undefined || share === undefined || state === "done") return undefined;
  const secondsLeft = state === "running" ? progress.secondsLeft : undefined;
  const steps = `${formatCount(progress.step)} of ${formatCount(progress.steps)} steps`;
  return `${safe(progress.action)}, ${formatProgress(share)}, ${steps}${secondsLeft === undefined ? "" : `, ${formatDuration(secondsLeft)} left`}`;
}

function formatTimes({ createdAt, startedAt, endedAt, seconds }: RunSummary): string | undefined {
  const startTime = startedAt ?? createdAt;
  if (startTime === "") return undefined;
  const endText = endedAt === undefined ? "" : ` to ${formatDateTime(endedAt)}`;
  return `${formatDateTime(startTime)}${endText}${seconds === undefined ? "" : `, running for ${formatDuration(seconds)}`}`;
}

function formatCounts({ trainable, stored, nonZero, bits, bytes: size }: Counts): string {
  const parts = [
    `${formatCount(stored)} stored`,
    `${formatCount(trainable)} trainable`,
    `${formatCount(nonZero)} not zero`,
    `${formatCount(bits)} bits`,
    formatBytes(size),
  ];
  return parts.join(", ");
}

function formatMetrics({ metrics }: RunSummary): string[] {
  const names = Object.keys(metrics);
  if (names.length === 0) return [];
  // Losses are what people look for; the rest may be dozens.
  const ordered = [...names].sort(
    (a, b) => Number(b.endsWith("/loss")) - Number(a.endsWith("/loss")) || (a < b ? -1 : 1),
  );
  const rows = ordered.slice(0, maxMetrics).map((name) => {
    const { last, min, max } = metrics[name]!;
    return `| ${safe(name)} | ${formatNumber(last)} | ${formatNumber(min)} | ${formatNumber(max)} |`;
  });
  const table = ["| Metric | last | lowest | highest |", "| --- | ---: | ---: | ---: |", ...rows].join("\n");
  return names.length > maxMetrics ? [table, `${names.length - maxMetrics} more metrics`] : [table];
}
