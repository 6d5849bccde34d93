/** How commands that start or follow runs end: their last words, their result, their exit status. */
import type { AttachResult } from "./attachRun";
import type { ExitStatus, Outcome } from "./command";
import { formatAligned, formatDuration } from "../protocol/quantities";
import { isResumable, type RunRecord } from "../protocol/run";
import type { ShownRun } from "./progressView";
import {
  createRunDocument,
  formatRunReport,
  type ReportedRun,
  formatRunsReport,
  getRunStatus,
} from "./runReport";
import { toPlainText, toPlainLine, type Terminal } from "./terminal";
import { getTextWidth, minNameWidth, shortenMiddle } from "./textWidth";

export function createStartedOutcome(runs: readonly { id: string; folder: string }[]): Outcome {
  const hint = runs.map(({ id }) => `Started ${id}. Follow it with \`lathe attach ${id}\`.`);
  return { document: { runs }, text: hint.join("\n") };
}

/** The line of a finished run, and what to do about one that did not finish. */
export function reportEnd(
  { record, detached }: AttachResult,
  terminal: Terminal,
  { label, sweep }: Partial<ShownRun> = {},
): void {
  if (detached) return;
  const { red, yellow } = terminal.noticeColors;
  const { state, failure } = record;
  const id = toPlainLine(record.id);
  terminal.log(formatEndLine(record, toPlainLine(label ?? id), sweep?.position, terminal));
  if (failure !== undefined) terminal.log(`${red("error:")} ${toPlainText(failure.message)}`);
  else if (state === "interrupted")
    terminal.log(red(`${id} ended without reporting a reason. See its log.txt.`));
  if (isResumable(record)) terminal.log(yellow(`Resume it with \`lathe resume ${id}\`.`));
}

/** `✓ 7/30 narrow-seed0  eval loss 2.310  train loss 2.204  12 s` */
export function formatEndLine(
  { state, summary, seconds, progress }: RunRecord,
  label: string,
  position: string | undefined,
  { noticeColors: { green, red, yellow, dim }, noticeWidth }: Pick<Terminal, "noticeColors" | "noticeWidth">,
): string {
  const mark = {
    done: green("✓"),
    failed: red("✗"),
    interrupted: red("✗"),
    stopped: yellow("■"),
    held: dim("◇"),
    pruned: dim("◇"),
  }[state as string];
  const listLoss = (title: string, name: string) =>
    summary[name] === undefined ? [] : [`${title} ${formatAligned(summary[name].last)}`];
  const start = [mark ?? state, ...(position === undefined ? [] : [dim(position)])].join(" ");
  const facts = [
    ...(state === "done"
      ? []
      : [`${state}${progress === undefined ? "" : ` at step ${progress.step} of ${progress.steps}`}`]),
    ...listLoss("eval loss", "eval/loss"),
    ...listLoss("train loss", "train/loss"),
    ...(seconds === undefined ? [] : [formatDuration(seconds)]),
  ].map((fact) => `  ${fact}`);
  const room = noticeWidth - getTextWidth(`${start} ${facts.join("")}`);
  return `${start} ${shortenMiddle(label, Math.max(minNameWidth, room))}${facts.join("")}`;
}

/** The worst of all is the status of the whole. */
export function createEndedOutcome(runs: readonly ReportedRun[], terminal: Terminal): Outcome {
  const statuses = runs.map(({ record }) => getRunStatus(record));
  const worstStatus = ([1, 2, 3, 0] as const).find((status) => statuses.includes(status));
  const onlyRun = runs.length === 1 ? runs[0] : undefined;
  const text = onlyRun === undefined ? formatRunsReport(runs, terminal) : formatRunReport(onlyRun, terminal);
  const status: ExitStatus = worstStatus ?? 0;
  return { document: { runs: runs.map(createRunDocument) }, text, status };
}
