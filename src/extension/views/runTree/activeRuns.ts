/** The status bar text while runs are active. */
import type { RunSummary } from "../../../protocol/service/runs";
import { isActive } from "../../../protocol/run";
import { duration, figure, plural, reached } from "../../../protocol/quantities";
import { markdownText as safe } from "../text";
import { isWaiting, lastLoss, progressShare, stateFaces } from "./runStates";

export interface ActiveRuns {
  readonly text: string;
  /** Markdown. */
  readonly tooltip: string;
  readonly spoken: string;
}

const mostListed = 12;

/** Undefined while no run is active. The text has no names of runs, because it turns `$(name)` into an icon. */
export function activeRuns(runs: readonly RunSummary[]): ActiveRuns | undefined {
  const active = runs.filter(isActive);
  if (active.length === 0) return undefined;
  const running = active.filter((run) => run.state !== "paused" && !isWaiting(run));
  const paused = active.filter(({ state }) => state === "paused");
  const [icon, number] =
    running.length > 0
      ? ["$(sync~spin)", plural(running.length, "run")]
      : paused.length > 0
        ? ["$(debug-pause)", `${plural(paused.length, "run")} paused`]
        : ["$(clock)", `${plural(active.length, "run")} waiting`];
  const facts = [number, ...factsOf(running)];
  const rows = active.slice(0, mostListed).map((run) => {
    const detail = [stateFaces[run.state].word, ...factsOf([run])].join(" · ");
    return `- **${safe(run.name, 80)}** ${detail}`;
  });
  if (active.length > mostListed) rows.push(`- and ${plural(active.length - mostListed, "more run")}`);
  return {
    text: `${icon} ${facts.join(" · ")}`,
    tooltip: ["**Lathe**", rows.join("\n"), "Click to show the runs."].join("\n\n"),
    spoken: `Lathe: ${facts.join(", ")}. Shows the runs.`,
  };
}

/** Progress in the mean, the loss of the run that has one and was started last, and the time until the last one is done. */
function factsOf(runs: readonly RunSummary[]): string[] {
  const shares = runs.flatMap((run) => progressShare(run) ?? []);
  const newest = [...runs]
    .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1))
    .find((run) => lastLoss(run) !== undefined);
  const left = runs.flatMap(({ state, progress }) =>
    state === "running" && progress?.secondsLeft !== undefined ? [progress.secondsLeft] : [],
  );
  return [
    ...(shares.length === 0 ? [] : [reached(shares.reduce((sum, each) => sum + each, 0) / shares.length)]),
    ...(newest === undefined ? [] : [`loss ${figure(lastLoss(newest)!)}`]),
    ...(left.length === 0 ? [] : [`${duration(Math.max(...left))} left`]),
  ];
}
