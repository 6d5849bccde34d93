/** The icons and the order of run states. The icons differ in shape, so that color is not needed to distinguish them. */
import type { RunSummary } from "../../../protocol/service/runs";
import { t } from "../../l10n";
import type { Icon } from "../nodePresentation";

export type ShownState = RunSummary["state"];

interface StatePresentation {
  readonly icon: Icon;
  readonly word: string;
}

/** In the order in which they need somebody, the worst first. */
export const statePresentations: Readonly<Record<ShownState, StatePresentation>> = {
  failed: { icon: { id: "error", color: "testing.iconFailed" }, word: t("failed") },
  unreadable: { icon: { id: "question", color: "testing.iconErrored" }, word: t("unreadable") },
  interrupted: { icon: { id: "debug-disconnect", color: "charts.orange" }, word: t("interrupted") },
  running: { icon: { id: "sync~spin", color: "charts.blue" }, word: t("running") },
  paused: { icon: { id: "debug-pause", color: "charts.yellow" }, word: t("paused") },
  queued: { icon: { id: "clock", color: "charts.purple" }, word: t("waiting") },
  held: { icon: { id: "watch", color: "charts.purple" }, word: t("held") },
  stopped: { icon: { id: "debug-stop", color: "charts.foreground" }, word: t("stopped") },
  done: { icon: { id: "pass", color: "testing.iconPassed" }, word: t("done") },
  pruned: { icon: { id: "circle-slash", color: "disabledForeground" }, word: t("pruned") },
};
export const shownStates = Object.keys(statePresentations) as readonly ShownState[];

export function getSeverity(state: ShownState): number {
  return shownStates.indexOf(state);
}

/** The worst state of the newest run of each variant, sweep point and seed; older failures no longer count. */
export function findWorstState(runs: Iterable<RunSummary>): ShownState | undefined {
  const newest = new Map<string, RunSummary>();
  for (const run of runs) {
    // Nearly every run is without a sweep, and this is done for thousands.
    const point = Object.keys(run.sweep).length === 0 ? "" : JSON.stringify(run.sweep);
    const key = `${run.seed} ${run.variant} ${point}`;
    const previous = newest.get(key);
    if (previous === undefined || previous.createdAt < run.createdAt) newest.set(key, run);
  }
  return [...newest.values()].map(({ state }) => state).sort((a, b) => getSeverity(a) - getSeverity(b))[0];
}

/** Waits for its device behind others. A run that is only being launched counts as begun. */
export function isWaiting({ state, queuePosition }: RunSummary): boolean {
  return state === "queued" && queuePosition !== undefined;
}

/** Share of the current action's steps, where there is one. */
export function computeProgress({ progress }: RunSummary): number | undefined {
  if (progress === undefined || !(progress.steps > 0)) return undefined;
  return Math.max(0, Math.min(1, progress.step / progress.steps));
}
