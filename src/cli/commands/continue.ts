/** Lets a paused run go on. */
import { controlRun } from "../../backend/runs/control/controlClient";
import { defineCommand } from "../command";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[run: string], RunsOption>({
  summary: "let a paused run go on",
  arguments: [runArgument],
  options: [runsOption],
  async run({ args: [text], options }) {
    const { id, folder } = await selectRun(text, options);
    const { step } = await controlRun(folder, { command: "continue" });
    return { document: { id, folder, step }, text: `${id} goes on (${step}).` };
  },
});
