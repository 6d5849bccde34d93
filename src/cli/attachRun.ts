/** Follows a run on the terminal. Ctrl-C asks the run to stop; a second one detaches and leaves it running. */
import type { StartedRun } from "../backend/runs/process/startRun";
import { followRun } from "../backend/runs/metrics/followRun";
import { requestStop } from "../backend/runs/process/stopRun";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import type { RunRecord } from "../protocol/run";
import { createProgressView, type ShownRun } from "./progressView";
import { RunHistory } from "./runHistory";
import { toPlainText, type Terminal } from "./terminal";

export interface AttachResult {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: RunHistory;
  /** The user detached while the run continued. */
  readonly detached: boolean;
}

function createInterruptHandler(
  folder: string,
  id: string,
  terminal: Terminal,
  detach: () => void,
): () => void {
  let isStopRequested = false;
  return () => {
    if (isStopRequested) {
      detach();
      return;
    }
    isStopRequested = true;
    terminal.log(`Stopping ${id} after this step, with a checkpoint. Press Ctrl-C again to detach.`);
    requestStop(folder).catch((thrown: unknown) => {
      isStopRequested = false;
      terminal.log(`Could not stop it: ${toPlainText(toWorkbenchError(thrown).message)}`);
    });
  };
}

/** Starts a run and follows it. A Ctrl-C during the start is kept for the run, which would otherwise continue unseen. */
export async function startAndAttach(
  start: () => Promise<StartedRun>,
  terminal: Terminal,
  shown?: ShownRun,
  announce: (started: StartedRun) => void = () => undefined,
): Promise<AttachResult> {
  const startPhase = { interrupted: false };
  const rememberInterrupt = () => {
    startPhase.interrupted = true;
  };
  process.on("SIGINT", rememberInterrupt);
  try {
    const started = await start();
    announce(started);
    return await attachRun(started.folder, started.id, terminal, shown, startPhase.interrupted);
  } finally {
    process.off("SIGINT", rememberInterrupt);
  }
}

export async function attachRun(
  folder: string,
  id: string,
  terminal: Terminal,
  shown: ShownRun = { label: id },
  isInterrupted = false,
): Promise<AttachResult> {
  const view = createProgressView(terminal, shown);
  const history = new RunHistory();
  const detachController = new AbortController();
  const interrupt = createInterruptHandler(folder, id, terminal, () => detachController.abort());
  process.on("SIGINT", interrupt);
  if (isInterrupted) interrupt();
  let latest: RunRecord | undefined;
  let notices = 0;
  try {
    for await (const { record, lines, restarted } of followRun(folder, { signal: detachController.signal })) {
      if (restarted) history.clear();
      history.add(lines);
      for (const notice of record.notices.slice(notices)) terminal.notice(toPlainText(notice));
      notices = record.notices.length;
      view.show(record, history);
      latest = record;
    }
  } finally {
    process.off("SIGINT", interrupt);
    view.end();
  }
  if (latest === undefined) throw new WorkbenchError("internal", `Could not read anything from ${folder}.`);
  const detached = detachController.signal.aborted;
  if (detached) {
    terminal.log(`${id} continues without this terminal.`);
    terminal.log(
      `Follow it again with \`lathe attach ${id}\`, stop it with \`lathe stop ${id}\`. Its folder: ${folder}`,
    );
  }
  return { folder, record: latest, history, detached };
}
