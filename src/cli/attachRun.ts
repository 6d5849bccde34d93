/** Follows a run on the terminal. Ctrl-C asks the run to stop; a second one detaches and leaves it running. */
import type { StartedRun } from "../backend/runs/process/startRun";
import { followRun } from "../backend/runs/metrics/followRun";
import { requestStop } from "../backend/runs/process/stopRun";
import { toWorkbenchError, WorkbenchError } from "../protocol/errors";
import type { RunRecord } from "../protocol/run";
import { progressView, type ProgressView } from "./progressView";
import { RunHistory } from "./runHistory";
import { plain, type Terminal } from "./terminal";

export interface Attached {
  readonly folder: string;
  readonly record: RunRecord;
  readonly history: RunHistory;
  /** The user detached while the run continued. */
  readonly detached: boolean;
}

function interruptions(folder: string, id: string, view: ProgressView, leave: () => void): () => void {
  let asked = false;
  return () => {
    if (asked) {
      leave();
      return;
    }
    asked = true;
    view.say(`Stopping ${id} after this step, with a checkpoint. Press Ctrl-C again to detach.`);
    requestStop(folder).catch((thrown: unknown) => {
      asked = false;
      view.say(`Could not stop it: ${plain(toWorkbenchError(thrown).message)}`);
    });
  };
}

/** Starts a run and follows it. A Ctrl-C during the start is kept for the run, which would otherwise continue unseen. */
export async function startAndAttach(
  start: () => Promise<StartedRun>,
  terminal: Terminal,
  announce: (started: StartedRun) => void = () => undefined,
): Promise<Attached> {
  const early = { interrupted: false };
  const hold = () => {
    early.interrupted = true;
  };
  process.on("SIGINT", hold);
  try {
    const started = await start();
    announce(started);
    return await attachRun(started.folder, started.id, terminal, early.interrupted);
  } finally {
    process.off("SIGINT", hold);
  }
}

export async function attachRun(
  folder: string,
  id: string,
  terminal: Terminal,
  interrupted = false,
): Promise<Attached> {
  const view = progressView(terminal);
  const history = new RunHistory();
  const leaving = new AbortController();
  const interrupt = interruptions(folder, id, view, () => leaving.abort());
  process.on("SIGINT", interrupt);
  if (interrupted) interrupt();
  let latest: RunRecord | undefined;
  let notices = 0;
  try {
    for await (const { record, lines, restarted } of followRun(folder, { signal: leaving.signal })) {
      if (restarted) history.clear();
      history.add(lines);
      for (const notice of record.notices.slice(notices)) {
        view.say(terminal.noticeColors.yellow(`Notice: ${plain(notice)}`));
      }
      notices = record.notices.length;
      view.show(record, history);
      latest = record;
    }
  } finally {
    process.off("SIGINT", interrupt);
    view.end();
  }
  if (latest === undefined) throw new WorkbenchError("internal", `Could not read anything from ${folder}.`);
  const detached = leaving.signal.aborted;
  if (detached) {
    terminal.say(`${id} continues without this terminal.`);
    terminal.say(
      `Follow it again with \`lathe attach ${id}\`, stop it with \`lathe stop ${id}\`. Its folder: ${folder}`,
    );
  }
  return { folder, record: latest, history, detached };
}
