/** The status bar text while runs are active. */
import type { RunSummary } from "../../../protocol/service/runs";
import { isActive } from "../../../protocol/run";
import { formatDuration, formatProgress } from "../../../protocol/quantities";
import { escapeMarkdown as safe } from "../text";
import { formatHeadlineLoss, getHeadlineLoss } from "./headlineLoss";
import { isWaiting, computeProgress, statePresentations } from "./runStates";
import { plural, t } from "../../l10n";

export interface ActiveRunsSummary {
  readonly text: string;
  /** Markdown. */
  readonly tooltip: string;
  readonly spoken: string;
}

const maxListed = 12;

/** Undefined while no run is active. The text has no names of runs, because it turns `$(name)` into an icon. */
export function summarizeActiveRuns(runs: readonly RunSummary[]): ActiveRunsSummary | undefined {
  const active = runs.filter(isActive);
  if (active.length === 0) return undefined;
  const running = active.filter((run) => run.state !== "paused" && !isWaiting(run));
  const paused = active.filter(({ state }) => state === "paused");
  const [icon, number] =
    running.length > 0
      ? ["$(sync~spin)", plural(running.length, "1 run", "{0} runs")]
      : paused.length > 0
        ? ["$(debug-pause)", plural(paused.length, "1 run paused", "{0} runs paused")]
        : ["$(clock)", plural(active.length, "1 run waiting", "{0} runs waiting")];
  const facts = [number, ...describeProgress(running)];
  const rows = active.slice(0, maxListed).map((run) => {
    const detail = [statePresentations[run.state].word, ...describeProgress([run])].join(" · ");
    return `- **${safe(run.name, 80)}** ${detail}`;
  });
  if (active.length > maxListed)
    rows.push(`- ${plural(active.length - maxListed, "and 1 more run", "and {0} more runs")}`);
  return {
    text: `${icon} ${facts.join(" · ")}`,
    tooltip: ["**Lathe**", rows.join("\n"), t("Click to show the runs.")].join("\n\n"),
    spoken: t("Lathe: {0}. Shows the runs.", facts.join(", ")),
  };
}

/** Progress in the mean, the loss of the run that has one and was started last, and the time until the last one is done. */
function describeProgress(runs: readonly RunSummary[]): string[] {
  const shares = runs.flatMap((run) => computeProgress(run) ?? []);
  const [loss] = [...runs]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .flatMap((run) => getHeadlineLoss(run) ?? []);
  const secondsLeft = runs.flatMap(({ state, progress }) =>
    state === "running" && progress?.secondsLeft !== undefined ? [progress.secondsLeft] : [],
  );
  return [
    ...(shares.length === 0
      ? []
      : [formatProgress(shares.reduce((sum, each) => sum + each, 0) / shares.length)]),
    ...(loss === undefined ? [] : [formatHeadlineLoss(loss)]),
    ...(secondsLeft.length === 0 ? [] : [t("{0} left", formatDuration(Math.max(...secondsLeft)))]),
  ];
}
