/** The one loss shown for a run in the tree and the status bar, always with the name of what it was measured on. */
import { formatNumber } from "../../../protocol/quantities";
import type { RunSummary } from "../../../protocol/service/runs";
import { t } from "../../l10n";

export interface HeadlineLoss {
  readonly metric: string;
  readonly value: number;
}

/** That of the evaluations, else that of the training, else whatever loss the run has. */
export function getHeadlineLoss({ metrics }: Pick<RunSummary, "metrics">): HeadlineLoss | undefined {
  const metric = ["eval/loss", "train/loss", ...Object.keys(metrics).sort()].find(
    (name) => name.endsWith("/loss") && metrics[name] !== undefined,
  );
  return metric === undefined ? undefined : { metric, value: metrics[metric]!.last };
}

/** `eval loss 2.31`. */
export function formatHeadlineLoss({ metric, value }: HeadlineLoss): string {
  const number = formatNumber(value);
  if (metric === "eval/loss") return t("eval loss {0}", number);
  return metric === "train/loss" ? t("train loss {0}", number) : `${metric} ${number}`;
}

/** Runs with losses of the same kind are side by side, those of evaluations first and those without any last. */
export function compareHeadlineKinds(a: HeadlineLoss | undefined, b: HeadlineLoss | undefined): number {
  return getRank(a) - getRank(b);
}

function getRank(loss: HeadlineLoss | undefined): number {
  if (loss === undefined) return 3;
  const known = ["eval/loss", "train/loss"].indexOf(loss.metric);
  return known < 0 ? 2 : known;
}
