/**
 * A short exclusive section on a folder between processes, for reading and replacing a file in it within
 * milliseconds.
 */
import { join } from "node:path";
import lockfile from "proper-lockfile";
import { WorkbenchError } from "../../../protocol/errors";

const staleMilliseconds = 5000;

/**
 * Never hold it over a training step: the holder refreshes the lock by a timer, which a blocked thread can't run. A
 * killed holder blocks the others for `staleMilliseconds`.
 */
export async function withFolderLock<T>(folder: string, section: () => T | Promise<T>): Promise<T> {
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
      throw new WorkbenchError("busy", `Another process has locked ${folder}. Try again.`, {}, { cause });
    });
  try {
    return await section();
  } finally {
    // A lock that another process has taken over is not released here.
    if (!lock.lost) await release().catch(ignoreLostLock);
  }
}

function ignoreLostLock(thrown: unknown): void {
  const { code } = thrown as NodeJS.ErrnoException;
  if (code !== "ERELEASED" && code !== "ENOTACQUIRED" && code !== "ENOENT") throw thrown as Error;
}
