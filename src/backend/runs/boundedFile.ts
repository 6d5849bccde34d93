/** Small files of a folder that may come from anywhere: at most so long, plain files only, never read through a link. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs";
import { WorkbenchError } from "../../protocol/errors";

/** Windows has neither flag; there the look before opening has to do. Without O_NONBLOCK a pipe would hang its reader. */
const flags = constants.O_RDONLY | or0(constants.O_NOFOLLOW) | or0(constants.O_NONBLOCK);

function or0(flag: number | undefined): number {
  return flag ?? 0;
}

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
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found === undefined ? "" : `${found.ino}:${found.size}:${found.mtimeMs}`;
}

function withPlainFile<T>(path: string, read: (descriptor: number, size: number) => T): T {
  const found = lstatSync(path);
  if (found.isSymbolicLink())
    throw new WorkbenchError("io", `${path} is a symbolic link, which is not followed. Remove the link.`);
  if (!found.isFile()) throw new WorkbenchError("io", `${path} is no plain file. Remove it.`);
  const descriptor = openSync(path, flags);
  try {
    const opened = fstatSync(descriptor);
    if (!opened.isFile()) throw new WorkbenchError("io", `${path} is no plain file. Remove it.`);
    return read(descriptor, opened.size);
  } finally {
    closeSync(descriptor);
  }
}

function readAt(descriptor: number, start: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  for (let read = 1; read > 0 && filled < length; filled += read)
    read = readSync(descriptor, buffer, filled, length - filled, start + filled);
  return buffer.subarray(0, filled);
}
