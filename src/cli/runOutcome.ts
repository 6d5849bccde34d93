/** How commands that start or follow runs end: their last words, their result, their exit status. */
import type { AttachResult } from "./attachRun";
import type { ExitStatus, Outcome } from "./command";
import { createRunDocument, formatRunReport, formatRunsReport, getRunStatus } from "./runReport";
import { toPlainText, toPlainLine, type Terminal } from "./terminal";

export function createStartedOutcome(runs: readonly { id: string; folder: string }[]): Outcome {
  const hint = runs.map(({ id }) => `Started ${id}. Follow it with \`lathe attach ${id}\`.`);
  return { document: { runs }, text: hint.join("\n") };
}

export function reportEnd({ record, detached }: AttachResult, terminal: Terminal): void {
  if (detached) return;
  const { red, yellow } = terminal.noticeColors;
  const { state, failure } = record;
  const id = toPlainLine(record.id);
  if (failure !== undefined) terminal.log(`${red("error:")} ${toPlainText(failure.message)}`);
  if (state === "interrupted") terminal.log(red(`${id} ended without reporting a reason. See its log.txt.`));
  if (state !== "done") terminal.log(yellow(`Resume it with \`lathe resume ${id}\`.`));
}

/** The worst of all is the status of the whole. */
export function createEndedOutcome(runs: readonly AttachResult[], terminal: Terminal): Outcome {
  const statuses = runs.map(({ record }) => getRunStatus(record));
  const worstStatus = ([1, 2, 3, 0] as const).find((status) => statuses.includes(status));
  const onlyRun = runs.length === 1 ? runs[0] : undefined;
  const text = onlyRun === undefined ? formatRunsReport(runs, terminal) : formatRunReport(onlyRun, terminal);
  const status: ExitStatus = worstStatus ?? 0;
  return { document: { runs: runs.map(createRunDocument) }, text, status };
}
