/**
 * Collects the ends of the runs of each experiment, so that a person hears of them once: when none of its runs is queued
 * or running any more. Does not import vscode.
 */
import { formatNumber } from "../protocol/quantities";
import { areComparable } from "../protocol/protocolMarks";
import type { Alert, RunSummary } from "../protocol/service/runs";
import { plural, t } from "./l10n";
import { escapeNotification } from "./plainText";
import { type AlertPresentation, presentAlert } from "./views/runTree/presentAlert";
import { getExperimentTitle, toSingleLine } from "./views/text";

export interface Notice extends AlertPresentation {
  /** Run folders for the actions. */
  readonly runs: readonly string[];
}

export interface KnownRuns {
  readonly all: readonly RunSummary[] | undefined;
  get(folder: string): RunSummary | undefined;
}

interface Collected {
  readonly ends: Map<string, Alert>;
  /** Kinds of other alerts that were shown, so that runs with the same trouble do not repeat it. */
  readonly shown: Set<Alert["kind"]>;
}

export class RunEnds {
  private readonly collected = new Map<string, Collected>();

  constructor(private readonly runs: KnownRuns) {}

  /** What is to be shown at once; the ends of runs are kept for `takeFinished`. */
  add(alert: Alert): Notice | undefined {
    const key = this.getKey(alert.run);
    const group = this.collected.get(key) ?? { ends: new Map<string, Alert>(), shown: new Set() };
    this.collected.set(key, group);
    const isEnd = alert.kind === "done" || alert.kind === "failed";
    if (isEnd) group.ends.set(alert.run, alert);
    if (alert.kind === "done") return undefined;
    // A failure is news at once where others still run; otherwise it is part of the summary.
    if (alert.kind === "failed" && !this.isPending(key, group)) return undefined;
    if (group.shown.has(alert.kind)) return undefined;
    group.shown.add(alert.kind);
    return { ...presentAlert(alert, this.runs.get(alert.run)), runs: [alert.run] };
  }

  /** One notice for each experiment that has nothing left to run. */
  takeFinished(): readonly Notice[] {
    const notices: Notice[] = [];
    for (const [key, group] of this.collected) {
      if (this.isPending(key, group)) continue;
      this.collected.delete(key);
      const notice = this.summarize(group);
      if (notice !== undefined) notices.push(notice);
    }
    return notices;
  }

  /** A run that continues has not ended. */
  forget(folder: string): void {
    for (const { ends } of this.collected.values()) ends.delete(folder);
  }

  private summarize({ ends, shown }: Collected): Notice | undefined {
    const alerts = [...ends.values()];
    const [first] = alerts;
    if (first === undefined) return undefined;
    if (alerts.length === 1) {
      if (first.kind === "failed" && shown.has("failed")) return undefined;
      return { ...presentAlert(first, this.runs.get(first.run)), runs: [first.run] };
    }
    const failed = alerts.filter(({ kind }) => kind === "failed");
    const done = alerts.filter(({ kind }) => kind === "done");
    const counts = [
      ...(done.length === 0 ? [] : [plural(done.length, "1 run done", "{0} runs done")]),
      ...(failed.length === 0 ? [] : [describeFailures(failed)]),
    ];
    const best = this.describeBest(done);
    const experiment = this.runs.get(first.run)?.experiment;
    const name = experiment === undefined ? first.name : getExperimentTitle(experiment);
    const text = `${toSingleLine(name, 80)}: ${counts.join(", ")}.${best}`;
    const kind = failed.length > 0 ? "failed" : "done";
    const { level, actions } = presentAlert({ ...(failed[0] ?? first), kind }, undefined);
    const subjects = failed.length > 0 ? failed : done;
    return {
      level,
      text: escapeNotification(text),
      // A log is of one run, and so are parameters that people look at after it.
      actions: failed.length > 0 ? actions : actions.filter(({ command }) => command === "lathe.openCharts"),
      runs: subjects.map(({ run }) => run),
    };
  }

  private describeBest(done: readonly Alert[]): string {
    const known = done.flatMap(({ run, name }) => {
      const summary = this.runs.get(run);
      return summary === undefined ? [] : [{ name, summary }];
    });
    // No run is the best of what was measured in different ways.
    if (
      !areComparable(
        known.map(({ summary }) => summary),
        "eval/loss",
      )
    )
      return ` ${t("Their eval losses are not comparable: they were measured on different text or in different ways.")}`;
    const losses = known
      .flatMap(({ name, summary }) => {
        const loss = summary.metrics["eval/loss"]?.last;
        return loss === undefined || !Number.isFinite(loss) ? [] : [{ name, loss }];
      })
      .sort((a, b) => a.loss - b.loss);
    const [best] = losses;
    return best === undefined || losses.length < 2
      ? ""
      : ` ${t("The lowest eval loss is {0}, of {1}.", formatNumber(best.loss), toSingleLine(best.name, 80))}`;
  }

  private getKey(folder: string): string {
    return this.runs.get(folder)?.experiment ?? folder;
  }

  private isPending(key: string, { ends }: Collected): boolean {
    return (this.runs.all ?? []).some(
      ({ folder, state }) =>
        // The news of an end may be here before the state is.
        (state === "queued" || state === "running" || state === "held") &&
        !ends.has(folder) &&
        this.getKey(folder) === key,
    );
  }
}

function describeFailures(failed: readonly Alert[]): string {
  const [{ name, message }] = failed as [Alert];
  const reason = toSingleLine(message, 200).replace(/\.$/, "");
  const run = toSingleLine(name, 80);
  return failed.length === 1
    ? t("1 failed ({0}: {1})", run, reason)
    : t("{0} failed (first {1}: {2})", failed.length, run, reason);
}
