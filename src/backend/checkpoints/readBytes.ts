/** Reads a part of an open file. */
import { readSync } from "node:fs";
import { WorkbenchError } from "../../protocol/errors";

/** Most bytes of one system call. */
export const chunkBytes = 64 * 2 ** 20;

/** Reads into a separate buffer with offset 0, so that a typed array over it is aligned. Throws if the file is shorter. */
export function readBytes(file: number, position: number, length: number): Buffer<ArrayBuffer> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length;) {
    const bytesRead = readSync(file, bytes, done, Math.min(chunkBytes, length - done), position + done);
    if (bytesRead === 0) throw new WorkbenchError("corrupt", `The file is ${length - done} bytes too short.`);
    done += bytesRead;
  }
  return bytes;
}
