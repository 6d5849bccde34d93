/**
 * Replaces a file as a whole: readers see the old text or the new one, never a part, even if the disk fills up.
 * Implemented here because the usual package does not check for short writes and would rename half a file on a full
 * disk.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { toWorkbenchError } from "../../../protocol/errors";

export interface AtomicOptions {
  readonly mode?: number;
  /** Flush to the disk: for content that must survive a power failure, not for progress. */
  readonly durable?: boolean;
}

const getDraftPath = (path: string) =>
  join(dirname(path), `.${basename(path)}.${randomBytes(4).toString("hex")}`);

/** Removes the drafts of a process that was killed while writing. Only for a folder's single writer. */
export function removeDrafts(folder: string): void {
  for (const name of readdirSync(folder))
    if (/^\..+\.[0-9a-f]{8}$/.test(name)) rmSync(join(folder, name), { force: true });
}

export function writeAtomic(path: string, data: string | Uint8Array, options: AtomicOptions = {}): void {
  const temporary = getDraftPath(path);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(temporary, "wx", options.mode ?? 0o666);
    writeFileSync(descriptor, data); // Continues after a short write, and throws when nothing more fits.
    if (options.durable === true) fsyncSync(descriptor);
    closeSync(descriptor);
    descriptor = undefined;
    renamePatiently(temporary, path);
  } catch (thrown) {
    if (descriptor !== undefined) closeSync(descriptor);
    rmSync(temporary, { force: true });
    throw toWorkbenchError(thrown, path);
  }
}

/** Windows refuses to replace a file that a reader has open, which lasts only a moment. */
function renamePatiently(from: string, to: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      renameSync(from, to);
      return;
    } catch (thrown) {
      const code = (thrown as NodeJS.ErrnoException).code ?? "";
      const maybeInUse = process.platform === "win32" && ["EPERM", "EACCES", "EBUSY"].includes(code);
      if (!maybeInUse || attempt === 20) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10 * (attempt + 1));
    }
  }
}
