/** Resumes a stopped, interrupted or failed run from its last checkpoint. */
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
  summary: "resume a run from its last checkpoint",
  arguments: [runArgument],
  options: [
    runsOption,
    ["--parallel", "do not wait for other runs on the same device"],
    ["--detach", "start it and return"],
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
