/** All that a row has no room for, as Markdown. Foreign text is escaped; what is not there is left out. */
import type { Counts } from "../../../protocol/counts";
import type { RunSummary } from "../../../protocol/service/runs";
import { bytes, count, duration, figure, moment, reached } from "../../../protocol/quantities";
import { markdownText as safe } from "../text";
import { progressShare, stateFaces } from "./runStates";

const mostSettings = 12;
const mostMetrics = 8;
const mostNotices = 5;

export function runTooltip(run: RunSummary): string {
  const { state, variant, seed, sweep, device, failure, notices, tags, notes, star } = run;
  const settings = Object.entries(sweep);
  const facts: readonly (readonly [name: string, text: string | undefined])[] = [
    ["Variant", variant === "" ? undefined : safe(variant)],
    ["Seed", state === "unreadable" ? undefined : safe(String(seed))],
    ["Sweep", settings.length === 0 ? undefined : assignments(settings)],
    ["Device", device && `${safe(device.name)}, ${safe(device.description)} (${safe(device.reason)})`],
    ["Progress", progressText(run)],
    ["Time", timeText(run)],
    ["Parameters without embeddings", run.counts && countsText(run.counts.nonEmbedding)],
    ["Parameters in total", run.counts && countsText(run.counts.total)],
    [
      "Tags",
      tags.length === 0
        ? undefined
        : tags
            .slice(0, mostSettings)
            .map((tag) => safe(tag))
            .join(", "),
    ],
  ];
  const lines = facts.flatMap(([name, text]) => (text === undefined ? [] : [`${name}: ${text}`]));
  return [
    `**${safe(run.name)}** ${star ? "★ " : ""}${stateFaces[state].word}`,
    ...(failure === undefined ? [] : [`**${safe(failure.message, 1000)}**`]),
    ...(lines.length === 0 ? [] : [lines.join("  \n")]),
    ...metricsText(run),
    ...notices.slice(0, mostNotices).map((notice) => `Notice: ${safe(notice)}`),
    ...(notices.length > mostNotices ? [`${notices.length - mostNotices} more notices`] : []),
    ...(notes.trim() === "" ? [] : [`Notes: ${safe(notes, 1000)}`]),
    safe(run.id),
  ].join("\n\n");
}

function assignments(settings: readonly (readonly [string, unknown])[]): string {
  const shown = settings.slice(0, mostSettings).map(([path, value]) => safe(`${path} = ${text(value)}`));
  return shown.join(", ") + (settings.length > mostSettings ? ", …" : "");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function progressText(run: RunSummary): string | undefined {
  const { progress, state } = run;
  const share = progressShare(run);
  if (progress === undefined || share === undefined || state === "done") return undefined;
  const left = state === "running" ? progress.secondsLeft : undefined;
  const steps = `${count(progress.step)} of ${count(progress.steps)} steps`;
  return `${safe(progress.action)}, ${reached(share)}, ${steps}${left === undefined ? "" : `, ${duration(left)} left`}`;
}

function timeText({ createdAt, startedAt, endedAt, seconds }: RunSummary): string | undefined {
  const begun = startedAt ?? createdAt;
  if (begun === "") return undefined;
  const until = endedAt === undefined ? "" : ` to ${moment(endedAt)}`;
  return `${moment(begun)}${until}${seconds === undefined ? "" : `, running for ${duration(seconds)}`}`;
}

function countsText({ trainable, stored, nonZero, bits, bytes: size }: Counts): string {
  const parts = [
    `${count(stored)} stored`,
    `${count(trainable)} trainable`,
    `${count(nonZero)} not zero`,
    `${count(bits)} bits`,
    bytes(size),
  ];
  return parts.join(", ");
}

function metricsText({ metrics }: RunSummary): string[] {
  const names = Object.keys(metrics);
  if (names.length === 0) return [];
  // Losses are what people look for; the rest may be dozens.
  const ordered = [...names].sort(
    (a, b) => Number(b.endsWith("/loss")) - Number(a.endsWith("/loss")) || (a < b ? -1 : 1),
  );
  const rows = ordered.slice(0, mostMetrics).map((name) => {
    const { last, min, max } = metrics[name]!;
    return `| ${safe(name)} | ${figure(last)} | ${figure(min)} | ${figure(max)} |`;
  });
  const table = ["| Metric | last | lowest | highest |", "| --- | ---: | ---: | ---: |", ...rows].join("\n");
  return names.length > mostMetrics ? [table, `${names.length - mostMetrics} more metrics`] : [table];
}
