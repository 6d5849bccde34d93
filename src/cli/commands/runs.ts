/** Lists the runs of the workspace, the newest first. */
import { listRuns } from "../../backend/runs/folder/findRuns";
import type { FoundRun } from "../../protocol/run";
import { defineCommand } from "../command";
import { formatAligned, formatDuration } from "../../protocol/quantities";
import { appendNotes, createLossCells, evaluationLosses, findLoss } from "../lossCells";
import { formatState, createRunDocument } from "../runReport";
import { getRunsFolder, runsOption, type RunsOption } from "../runSelection";
import { formatTable } from "../table";
import { toPlainLine, type Colors } from "../terminal";

const head = ["run", "state", "step", "eval loss", "train loss", "time", "created"];

function createRow(run: FoundRun, evaluation: string, colors: Colors): readonly string[] {
  if (run.record === undefined)
    return [toPlainLine(run.id), colors.red(run.failure.code), "–", "–", "–", "–", "–"];
  const { id, state, queuePosition, progress, summary, seconds, createdAt } = run.record;
  const formatLoss = (name: string) =>
    summary[name] === undefined ? "–" : formatAligned(summary[name].last);
  const waiting = state === "queued" && queuePosition !== undefined ? ` behind ${queuePosition}` : "";
  return [
    toPlainLine(id),
    formatState(state, colors) + waiting,
    progress === undefined ? "–" : `${progress.step}/${progress.steps}`,
    evaluation,
    formatLoss("train/loss"),
    seconds === undefined ? "–" : formatDuration(seconds),
    createdAt.slice(0, 16).replace("T", " "),
  ];
}

export default defineCommand<[], RunsOption>({
  summary: "list the runs of the workspace",
  options: [runsOption],
  async run({ options, terminal }) {
    const folder = getRunsFolder(options);
    const runs = await listRuns(folder);
    const document = runs.map((run) =>
      run.record === undefined ? run : createRunDocument({ folder: run.folder, record: run.record }),
    );
    for (const run of runs)
      if (run.record === undefined) terminal.log(toPlainLine(`${run.id}: ${run.failure.message}`));
    if (runs.length === 0)
      return { document, text: `No runs in ${toPlainLine(folder)} yet. Start one with \`lathe run FILE\`.` };
    const { cells, notes } = createLossCells(
      "eval loss",
      runs.map(({ record }) =>
        record === undefined ? { value: undefined, protocol: undefined } : findLoss(record, evaluationLosses),
      ),
    );
    const rows = runs.map((run, index) => createRow(run, cells[index]!, terminal.colors));
    return { document, text: appendNotes(formatTable(head, rows, terminal), notes, terminal) };
  },
});
