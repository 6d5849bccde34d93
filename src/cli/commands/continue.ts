/** Continues a paused run. */
import { controlRun } from "../../backend/runs/control/controlClient";
import { defineCommand } from "../command";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[run: string], RunsOption>({
  summary: "continue a paused run",
  arguments: [runArgument],
  options: [runsOption],
  async run({ args: [text], options }) {
    const { id, folder } = await selectRun(text, options);
    const { step } = await controlRun(folder, { command: "continue" });
    return { document: { id, folder, step }, text: `${id} continues (${step}).` };
  },
});
