/** What an alert of a run looks like as a notification, and what may be done about it. */
import type { Alert, RunSummary } from "../../../protocol/service/runs";
import { isActive, isResumable } from "../../../protocol/run";
import { escapeNotification } from "../../plainText";
import { toSingleLine } from "../text";
import { t } from "../../l10n";

export interface AlertAction {
  readonly title: string;
  readonly command: string;
}

export interface AlertPresentation {
  readonly level: "information" | "warning" | "error";
  readonly text: string;
  readonly actions: readonly AlertAction[];
}

const openCharts: AlertAction = { title: t("Open Charts"), command: "lathe.openCharts" };
const openRuns: AlertAction = { title: t("Open Runs"), command: "lathe.openRuns" };
const openParameters: AlertAction = { title: t("Show Parameters"), command: "lathe.openParameters" };
const showLog: AlertAction = { title: t("Show Log"), command: "lathe.showRunLog" };
const stop: AlertAction = { title: t("Stop"), command: "lathe.stopRun" };
const resume: AlertAction = { title: t("Resume"), command: "lathe.resumeRun" };

const kinds: Readonly<
  Record<
    Alert["kind"],
    { readonly level: AlertPresentation["level"]; readonly actions: readonly AlertAction[] }
  >
> = {
  "not-a-number": { level: "error", actions: [openCharts, stop, showLog] },
  spike: { level: "warning", actions: [openCharts, stop] },
  overfitting: { level: "warning", actions: [openCharts, stop] },
  plateau: { level: "information", actions: [openCharts, stop] },
  "low-disk": { level: "warning", actions: [openRuns, stop] },
  done: { level: "information", actions: [openCharts, openParameters] },
  failed: { level: "error", actions: [showLog, resume] },
};

/** `run` is the current state of the run: actions that are no longer possible are not offered. */
export function presentAlert(alert: Alert, run: RunSummary | undefined): AlertPresentation {
  const { level, actions } = kinds[alert.kind];
  const name = toSingleLine(alert.name, 80);
  const message = toSingleLine(alert.message, 400);
  return {
    level,
    text: escapeNotification(message.includes(name) ? message : `${name}: ${message}`),
    actions: actions.filter(
      (action) =>
        // Of a run that has just failed the news may be here before its state is: then resuming may be tried.
        run === undefined ||
        ((action !== stop || isActive(run)) && (action !== resume || isActive(run) || isResumable(run))),
    ),
  };
}

export function isShown({ kind }: Alert, setting: "all" | "problems" | "none"): boolean {
  return setting === "all" || (setting === "problems" && kind !== "done");
}

/** Distinguishes an alert that a restarted service repeats from a new one of a run that has continued since. */
export function createAlertMemory(): {
  isNew(alert: Alert): boolean;
  forget(folder: string): void;
} {
  const shownAlerts = new Map<string, Set<string>>();
  return {
    isNew({ run, kind, message }) {
      const shown = shownAlerts.get(run) ?? new Set();
      shownAlerts.set(run, shown);
      const key = `${kind} ${message}`;
      const isNew = !shown.has(key);
      shown.add(key);
      return isNew;
    },
    forget: (folder) => void shownAlerts.delete(folder),
  };
}
