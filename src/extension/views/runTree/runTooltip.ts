/** All that a row has no room for, as Markdown. Foreign text is escaped; what is not there is left out. */
import { listCardLoads } from "../../../protocol/cardLoads";
import type { Counts } from "../../../protocol/counts";
import type { ProtocolMarks } from "../../../protocol/protocolMarks";
import { describePruning } from "../../../protocol/pruning";
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
import { t } from "../../l10n";

const maxSettings = 12;
const maxMetrics = 8;
const maxNotices = 5;

export function createRunTooltip(run: RunSummary, marks?: ProtocolMarks): string {
  const { state, variant, seed, sweep, device, failure, pruned, notices, tags, notes, star } = run;
  const settings = Object.entries(sweep);
  const facts: readonly (readonly [name: string, text: string | undefined])[] = [
    [t("Variant"), variant === "" ? undefined : safe(variant)],
    [t("Seed"), state === "unreadable" ? undefined : safe(String(seed))],
    [t("Sweep"), settings.length === 0 ? undefined : formatSettings(settings)],
    [t("Device"), device && `${safe(device.name)}, ${safe(device.description)} (${safe(device.reason)})`],
    ...listCardLoads(run).map(({ card, text }) => [t("Card {0}", card), text] as const),
    [t("Progress"), formatRunProgress(run)],
    [t("Time"), formatTimes(run)],
    [t("Parameters without embeddings"), run.counts && formatCounts(run.counts.nonEmbedding)],
    [t("Parameters in total"), run.counts && formatCounts(run.counts.total)],
    [
      t("Tags"),
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
    ...(pruned === undefined ? [] : [safe(describePruning(pruned))]),
    ...(failure === undefined ? [] : [`**${safe(failure.message, 1000)}**`]),
    ...(lines.length === 0 ? [] : [lines.join("  \n")]),
    ...formatMetrics(run),
    ...formatMarks(run, marks),
    ...formatNotices(notices),
    ...(notes.trim() === "" ? [] : [t("Notes: {0}", safe(notes, 1000))]),
    safe(run.id),
  ].join("\n\n");
}

/** On one line, since most of them explain what went as usual. */
function formatNotices(notices: readonly string[]): string[] {
  if (notices.length === 0) return [];
  const shown = notices.slice(0, maxNotices).map((notice) => safe(notice));
  const more = notices.length > maxNotices ? [t("and {0} more", notices.length - maxNotices)] : [];
  const text = [...shown, ...more].join(" · ");
  return [notices.length === 1 ? t("Notice: {0}", text) : t("Notices: {0}", text)];
}

/** Why losses of the row have a letter. */
function formatMarks(run: RunSummary, marks: ProtocolMarks | undefined): string[] {
  return (marks?.metrics ?? []).flatMap((metric) => {
    const mark = marks!.get(run, metric);
    if (mark === undefined) return [];
    const lines = mark.title.split("\n").map((line) => safe(line));
    return [`${safe(metric)} ${lines.join("  \n")}`];
  });
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
  const steps = t("{0} of {1} steps", formatCount(progress.step), formatCount(progress.steps));
  const left = secondsLeft === undefined ? [] : [t("{0} left", formatDuration(secondsLeft))];
  return [safe(progress.action), formatProgress(share), steps, ...left].join(", ");
}

function formatTimes({ createdAt, startedAt, endedAt, seconds }: RunSummary): string | undefined {
  const startTime = startedAt ?? createdAt;
  if (startTime === "") return undefined;
  const start = formatDateTime(startTime);
  const times = endedAt === undefined ? start : t("{0} to {1}", start, formatDateTime(endedAt));
  return seconds === undefined ? times : `${times}, ${t("running for {0}", formatDuration(seconds))}`;
}

function formatCounts({ trainable, stored, nonZero, bits, bytes: size }: Counts): string {
  const parts = [
    t("{0} stored", formatCount(stored)),
    t("{0} trainable", formatCount(trainable)),
    t("{0} not zero", formatCount(nonZero)),
    t("{0} bits", formatCount(bits)),
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
  const table = [
    `| ${[t("Metric"), t("last"), t("lowest"), t("highest")].join(" | ")} |`,
    "| --- | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
  return names.length > maxMetrics ? [table, t("{0} more metrics", names.length - maxMetrics)] : [table];
}
