/** The command line with the commands that start and watch runs, and a model of one key. */
import { z } from "zod";
import attach from "../../src/cli/commands/attach";
import continueRun from "../../src/cli/commands/continue";
import pause from "../../src/cli/commands/pause";
import queue from "../../src/cli/commands/queue";
import resume from "../../src/cli/commands/resume";
import run from "../../src/cli/commands/run";
import runs from "../../src/cli/commands/runs";
import show from "../../src/cli/commands/show";
import stop from "../../src/cli/commands/stop";
import { runCli } from "../../src/cli/runCli";

const tiny = z.strictObject({ hidden_size: z.int().positive().default(8) });

void runCli(process.argv.slice(2), {
  commands: { attach, continue: continueRun, pause, queue, resume, run, runs, show, stop },
  catalog: { models: { tiny, other: tiny }, methods: {}, metrics: {}, exports: {}, reports: {} },
}).then((status) => {
  process.exitCode = status;
});
