/** Lists the runs of the workspace, the newest first. */
import { listRuns } from "../../backend/runs/folder/findRuns";
import type { FoundRun } from "../../protocol/run";
import { defineCommand } from "../command";
import { duration, figure } from "../../protocol/quantities";
import { coloredState, runDocument } from "../runReport";
import { runsFolder, runsOption, type RunsOption } from "../runSelection";
import { table } from "../table";
import { plainLine, type Colors } from "../terminal";

const head = ["run", "state", "step", "train loss", "eval loss", "time", "created"];

function rowOf(run: FoundRun, colors: Colors): readonly string[] {
  if (run.record === undefined)
    return [plainLine(run.id), colors.red(run.failure.code), "–", "–", "–", "–", "–"];
  const { id, state, queuePosition, progress, summary, seconds, createdAt } = run.record;
  const loss = (name: string) => (summary[name] === undefined ? "–" : figure(summary[name].last));
  const behind = state === "queued" && queuePosition !== undefined ? ` behind ${queuePosition}` : "";
  return [
    plainLine(id),
    coloredState(state, colors) + behind,
    progress === undefined ? "–" : `${progress.step}/${progress.steps}`,
    loss("train/loss"),
    loss("eval/loss"),
    seconds === undefined ? "–" : duration(seconds),
    createdAt.slice(0, 16).replace("T", " "),
  ];
}

export default defineCommand<[], RunsOption>({
  summary: "list the runs of the workspace",
  options: [runsOption],
  async run({ options, terminal }) {
    const folder = runsFolder(options);
    const runs = await listRuns(folder);
    const document = runs.map((run) =>
      run.record === undefined ? run : runDocument({ folder: run.folder, record: run.record }),
    );
    for (const run of runs)
      if (run.record === undefined) terminal.say(plainLine(`${run.id}: ${run.failure.message}`));
    if (runs.length === 0)
      return { document, text: `No runs in ${plainLine(folder)} yet. Start one with \`lathe run FILE\`.` };
    return {
      document,
      text: table(
        head,
        runs.map((run) => rowOf(run, terminal.colors)),
        terminal.colors,
      ),
    };
  },
});
