/** Stops a run after its present step, with a checkpoint, and waits until it has ended. */
import { followRun } from "../../backend/runs/metrics/followRun";
import { killRun, requestStop } from "../../backend/runs/process/stopRun";
import { defineCommand } from "../command";
import { createRunDocument } from "../runReport";
import { runArgument, runsOption, selectRun, type RunsOption } from "../runSelection";

interface Options extends RunsOption {
  readonly kill?: boolean;
  readonly wait: boolean;
}

export default defineCommand<[run: string], Options>({
  summary: "stop a run after it writes a checkpoint",
  arguments: [runArgument],
  options: [
    runsOption,
    ["--kill", "kill its process, without a checkpoint"],
    ["--no-wait", "do not wait for it to stop"],
  ],
  async run({ args: [text], options, terminal }) {
    const { id, folder, record } = await selectRun(text, options);
    if (options.kill === true) await killRun(folder);
    else await requestStop(folder);
    if (!options.wait) return { document: { id, folder, state: record.state }, text: `Asked ${id} to stop.` };
    terminal.log(`Waiting for ${id} to finish its step…`);
    let latest = record;
    for await (const update of followRun(folder)) latest = update.record;
    return { document: createRunDocument({ folder, record: latest }), text: `${id} is ${latest.state}.` };
  },
});
