/** The icons and the order of run states. The icons differ in shape, so that color is not needed to distinguish them. */
import type { RunSummary } from "../../../protocol/service/runs";
import type { Icon } from "../face";

export type ShownState = RunSummary["state"];

interface StateFace {
  readonly icon: Icon;
  readonly word: string;
}

/** In the order in which they need somebody, the worst first. */
export const stateFaces: Readonly<Record<ShownState, StateFace>> = {
  failed: { icon: { id: "error", color: "testing.iconFailed" }, word: "failed" },
  unreadable: { icon: { id: "question", color: "testing.iconErrored" }, word: "unreadable" },
  interrupted: { icon: { id: "debug-disconnect", color: "charts.orange" }, word: "interrupted" },
  running: { icon: { id: "sync~spin", color: "charts.blue" }, word: "running" },
  paused: { icon: { id: "debug-pause", color: "charts.yellow" }, word: "paused" },
  queued: { icon: { id: "clock", color: "charts.purple" }, word: "waiting" },
  stopped: { icon: { id: "debug-stop", color: "charts.foreground" }, word: "stopped" },
  done: { icon: { id: "pass", color: "testing.iconPassed" }, word: "done" },
};
export const shownStates = Object.keys(stateFaces) as readonly ShownState[];

export function severity(state: ShownState): number {
  return shownStates.indexOf(state);
}

/** The worst state of the newest run of each variant, sweep point and seed; older failures no longer count. */
export function worstState(runs: Iterable<RunSummary>): ShownState | undefined {
  const newest = new Map<string, RunSummary>();
  for (const run of runs) {
    // Nearly every run is without a sweep, and this is done for thousands.
    const point = Object.keys(run.sweep).length === 0 ? "" : JSON.stringify(run.sweep);
    const key = `${run.seed} ${run.variant} ${point}`;
    const before = newest.get(key);
    if (before === undefined || before.createdAt < run.createdAt) newest.set(key, run);
  }
  return [...newest.values()].map(({ state }) => state).sort((a, b) => severity(a) - severity(b))[0];
}

/** Waits for its device behind others. A run that is only being launched counts as begun. */
export function isWaiting({ state, queuePosition }: RunSummary): boolean {
  return state === "queued" && queuePosition !== undefined;
}

/** Training loss, or whatever loss a run without training has. */
export function lastLoss({ metrics }: RunSummary): number | undefined {
  const named = metrics["train/loss"] ?? metrics["eval/loss"];
  if (named !== undefined) return named.last;
  const other = Object.keys(metrics)
    .sort()
    .find((name) => name.endsWith("/loss"));
  return other === undefined ? undefined : metrics[other]!.last;
}

/** Share of the current action's steps, where there is one. */
export function progressShare({ progress }: RunSummary): number | undefined {
  if (progress === undefined || !(progress.steps > 0)) return undefined;
  return Math.max(0, Math.min(1, progress.step / progress.steps));
}
