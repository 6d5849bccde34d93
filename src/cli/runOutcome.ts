/** How commands that start or follow runs end: their last words, their result, their exit status. */
import type { Attached } from "./attachRun";
import type { ExitStatus, Outcome } from "./command";
import { runDocument, runReport, runsReport, statusOf } from "./runReport";
import { plain, plainLine, type Terminal } from "./terminal";

export function startedOutcome(runs: readonly { id: string; folder: string }[]): Outcome {
  const hint = runs.map(({ id }) => `Started ${id}. Follow it with \`lathe attach ${id}\`.`);
  return { document: { runs }, text: hint.join("\n") };
}

export function sayEnd({ record, detached }: Attached, terminal: Terminal): void {
  if (detached) return;
  const { red, yellow } = terminal.noticeColors;
  const { state, failure } = record;
  const id = plainLine(record.id);
  if (failure !== undefined) terminal.say(`${red("error:")} ${plain(failure.message)}`);
  if (state === "interrupted") terminal.say(red(`${id} ended without reporting a reason. See its log.txt.`));
  if (state !== "done") terminal.say(yellow(`Resume it with \`lathe resume ${id}\`.`));
}

/** The worst of all is the status of the whole. */
export function endedOutcome(runs: readonly Attached[], terminal: Terminal): Outcome {
  const statuses = runs.map(({ record }) => statusOf(record));
  const worst = ([1, 2, 3, 0] as const).find((status) => statuses.includes(status));
  const only = runs.length === 1 ? runs[0] : undefined;
  const text = only === undefined ? runsReport(runs, terminal) : runReport(only, terminal);
  const status: ExitStatus = worst ?? 0;
  return { document: { runs: runs.map(runDocument) }, text, status };
}
