/** Follows an active run from its beginning; shows one that has ended. */
import { attachRun } from "../attachRun";
import { defineCommand } from "../command";
import { createEndedOutcome, reportEnd } from "../runOutcome";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

export default defineCommand<[run: string], RunsOption>({
  summary: "follow a run",
  arguments: [runArgument],
  options: [runsOption],
  async run({ args: [text], options, terminal }) {
    const { folder, id } = await selectRun(text, options);
    const run = await attachRun(folder, id, terminal);
    reportEnd(run, terminal);
    return createEndedOutcome([run], terminal);
  },
});
