/** Small files of a folder that may come from anywhere: at most so long, plain files only, never read through a link. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { WorkbenchError } from "../../../protocol/errors";

/** Windows has neither flag; there a look before opening has to do. Without O_NONBLOCK a pipe would hang its reader. */
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants as Readonly<Record<string, number | undefined>>;
const flags = (O_RDONLY ?? 0) | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);

export interface Part {
  readonly bytes: Buffer;
  /** The part starts here; more than 0 where something was left out. */
  readonly start: number;
}

export function readBounded(path: string, mostBytes: number): string {
  return withPlainFile(path, (descriptor, size) => {
    if (size > mostBytes)
      throw new WorkbenchError("corrupt", `${path} has ${size} bytes; at most ${mostBytes} are read.`);
    return readAt(descriptor, 0, size).toString("utf8");
  });
}

export function readEnd(path: string, mostBytes: number): Part {
  return withPlainFile(path, (descriptor, size) => {
    const start = Math.max(0, size - mostBytes);
    return { bytes: readAt(descriptor, start, size - start), start };
  });
}

/** Changes whenever the file is replaced or written to; empty where there is none. */
export function stampOf(path: string): string {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return found === undefined ? "" : `${found.ino}:${found.size}:${found.mtimeMs}`;
  } catch (thrown) {
    // Whoever then reads it hears why it can't be read.
    return (thrown as NodeJS.ErrnoException).code ?? "unreadable";
  }
}

function withPlainFile<T>(path: string, read: (descriptor: number, size: number) => T): T {
  const descriptor = openPlain(path);
  try {
    const opened = fstatSync(descriptor);
    if (!opened.isFile()) throw new WorkbenchError("io", `${path} is no plain file. Remove it.`);
    return read(descriptor, opened.size);
  } finally {
    closeSync(descriptor);
  }
}

function openPlain(path: string): number {
  if (O_NOFOLLOW === undefined && lstatSync(path).isSymbolicLink()) throw linkAt(path);
  try {
    return openSync(path, flags);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ELOOP" || code === "EMLINK") throw linkAt(path);
    throw thrown;
  }
}

function linkAt(path: string): WorkbenchError {
  return new WorkbenchError("io", `${path} is a symbolic link, which is not followed. Remove the link.`);
}

function readAt(descriptor: number, start: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  for (let read = 1; read > 0 && filled < length; filled += read)
    read = readSync(descriptor, buffer, filled, length - filled, start + filled);
  return buffer.subarray(0, filled);
}
