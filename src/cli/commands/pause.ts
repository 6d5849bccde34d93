/** Pauses a run after its present step; it keeps its device and its memory. */
import { controlRun } from "../../backend/runs/control/controlClient";
import { defineCommand } from "../command";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[run: string], RunsOption>({
  summary: "pause a run after its current step",
  arguments: [runArgument],
  options: [runsOption],
  async run({ args: [text], options }) {
    const { id, folder } = await selectRun(text, options);
    const { step } = await controlRun(folder, { command: "pause" });
    return { document: { id, folder, step }, text: `${id} pauses after its current step (${step}).` };
  },
});
