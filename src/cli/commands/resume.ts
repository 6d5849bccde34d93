/** Goes on with a run that was stopped, interrupted or failed, from its last checkpoint. */
import { resumeRun } from "../../backend/runs/process/startRun";
import { startAndAttach } from "../attachRun";
import { defineCommand } from "../command";
import { endedOutcome, sayEnd, startedOutcome } from "../runOutcome";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

interface Options extends RunsOption {
  readonly parallel?: boolean;
  readonly detach?: boolean;
}

export default defineCommand<[run: string], Options>({
  summary: "go on with a run from its last checkpoint",
  arguments: [runArgument],
  options: [
    runsOption,
    ["--parallel", "don't wait for other runs of the same device"],
    ["--detach", "start and return"],
  ],
  async run({ args: [text], options, terminal }) {
    const selected = await selectRun(text, options);
    const start = () => resumeRun(selected.folder, { parallel: options.parallel ?? false });
    if (options.detach === true) {
      const { id, folder } = await start();
      return startedOutcome([{ id, folder }]);
    }
    const run = await startAndAttach(start, terminal);
    sayEnd(run, terminal);
    return endedOutcome([run], terminal);
  },
});
