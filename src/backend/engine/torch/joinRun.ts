/** The processes of another machine than the one that executes the run. They have no state and write no file. */
import { spawn } from "node:child_process";
import { WorkbenchError } from "../../../protocol/errors";
import type { Scheduler } from "../../../protocol/scheduler";
import type { ParallelOptions } from "../../../schema/parallel";
import { resolveThreadCount } from "../runtime";
import { findTorch, selectTorchDevice } from "./torchDevices";
import { createTorchLaunch, shareThreads } from "./torchrun";

export interface JoinOptions {
  /** A device of PyTorch as an experiment names it. */
  readonly device: string;
  readonly parallel: ParallelOptions;
  /** The number of this machine, from 1; machine 0 executes the run. */
  readonly node: number;
  readonly scheduler?: Scheduler | undefined;
}

/**
 * Starts the processes of this machine, which compute until the run of machine 0 ends. Their output is that of this
 * process. Throws `process-died` if they end in another way.
 */
export async function joinRun({ device, parallel, node, scheduler }: JoinOptions): Promise<void> {
  const installation = await findTorch();
  const { name } = selectTorchDevice(installation, device as "torch");
  const { args, options } = createTorchLaunch({
    device: name.slice("torch:".length),
    threads: shareThreads(resolveThreadCount(undefined), parallel),
    parallel,
    node,
    scheduler,
  });
  const child = spawn(installation.interpreter.path, args, {
    ...options,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const end = await new Promise<string | undefined>((resolve) => {
    child.on("error", ({ message }) => resolve(`could not be started: ${message}`));
    child.on("close", (status, signal) =>
      resolve(
        status === 0
          ? undefined
          : signal === null
            ? `ended with status ${status}`
            : `were killed by ${signal}`,
      ),
    );
  });
  if (end !== undefined)
    throw new WorkbenchError(
      "process-died",
      `The processes of machine ${node} ${end}; their messages are above. Resume the run on machine 0, and join it here again.`,
    );
}
