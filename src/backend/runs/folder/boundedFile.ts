/**
 * Reads small files of a folder that may come from anywhere: with a size limit, plain files only, never through a
 * link.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { WorkbenchError } from "../../../protocol/errors";

/**
 * Windows has neither flag; there the file is checked before opening. Without O_NONBLOCK a pipe would block its
 * reader.
 */
const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants as Readonly<Record<string, number | undefined>>;
const flags = (O_RDONLY ?? 0) | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);

export interface Part {
  readonly bytes: Buffer;
  /** Where the part starts; more than 0 if something was left out. */
  readonly start: number;
}

export function readBounded(path: string, mostBytes: number): string {
  return withPlainFile(path, (descriptor, size) => {
    if (size > mostBytes)
      throw new WorkbenchError("corrupt", `${path} has ${size} bytes. The limit is ${mostBytes}.`);
    return readAt(descriptor, 0, size).toString("utf8");
  });
}

export function readEnd(path: string, mostBytes: number): Part {
  return withPlainFile(path, (descriptor, size) => {
    const start = Math.max(0, size - mostBytes);
    return { bytes: readAt(descriptor, start, size - start), start };
  });
}

/** Changes whenever the file is replaced or written to; empty if the file does not exist. */
export function getFileStamp(path: string): string {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    return stats === undefined ? "" : `${stats.ino}:${stats.size}:${stats.mtimeMs}`;
  } catch (thrown) {
    // Reading the file later reports why it can't be read.
    return (thrown as NodeJS.ErrnoException).code ?? "unreadable";
  }
}

function withPlainFile<T>(path: string, read: (descriptor: number, size: number) => T): T {
  const descriptor = openPlain(path);
  try {
    const opened = fstatSync(descriptor);
    if (!opened.isFile()) throw new WorkbenchError("io", `${path} is not a plain file. Remove it.`);
    return read(descriptor, opened.size);
  } finally {
    closeSync(descriptor);
  }
}

function openPlain(path: string): number {
  if (O_NOFOLLOW === undefined && lstatSync(path).isSymbolicLink()) throw linkError(path);
  try {
    return openSync(path, flags);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === "ELOOP" || code === "EMLINK") throw linkError(path);
    throw thrown;
  }
}

function linkError(path: string): WorkbenchError {
  return new WorkbenchError("io", `${path} is a symbolic link, and links are not followed. Remove the link.`);
}

function readAt(descriptor: number, start: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  for (let read = 1; read > 0 && filled < length; filled += read)
    read = readSync(descriptor, buffer, filled, length - filled, start + filled);
  return buffer.subarray(0, filled);
}
