/** A short exclusive section on a folder among processes, for reading and replacing a file in it within milliseconds. */
import { join } from "node:path";
import lockfile from "proper-lockfile";
import { WorkbenchError } from "../../../protocol/errors";

const staleMilliseconds = 5000;

/**
 * Never hold it over a training step: its holder proves that it lives by a timer, which a blocked thread can't run.
 * A holder that was killed blocks the others for `staleMilliseconds`, then they go on.
 */
export async function withFolder<T>(folder: string, section: () => T | Promise<T>): Promise<T> {
  const lock = { lost: false };
  const release = await lockfile
    .lock(folder, {
      lockfilePath: join(folder, ".mutex"),
      realpath: false,
      stale: staleMilliseconds,
      retries: { retries: 400, factor: 1.2, minTimeout: 5, maxTimeout: 50, randomize: true },
      onCompromised: () => (lock.lost = true),
    })
    .catch((cause: unknown) => {
      if ((cause as NodeJS.ErrnoException).code !== "ELOCKED") throw cause;
      throw new WorkbenchError("busy", `Another process keeps ${folder} locked. Try again.`, {}, { cause });
    });
  try {
    return await section();
  } finally {
    // A lock taken over by others is theirs to release.
    if (!lock.lost) await release().catch(ignoreLostLock);
  }
}

function ignoreLostLock(thrown: unknown): void {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code !== "ERELEASED" && code !== "ENOTACQUIRED" && code !== "ENOENT") throw thrown as Error;
}
