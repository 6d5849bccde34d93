/** The end of a run's log as text, starting at a whole line. */
import { WorkbenchError } from "../../../protocol/errors";
import { readEnd, getFileStamp } from "../../runs/folder/boundedFile";
import { resolveInside } from "../../runs/folder/insideFolder";

const maxBytes = 4 * 1024 * 1024;
const newline = 10;

export function readLogTail(folder: string, bytes: number): string {
  if (!Number.isInteger(bytes) || bytes < 1)
    throw new WorkbenchError(
      "invalid-input",
      `The number of log bytes must be a positive integer, not ${bytes}.`,
    );
  const path = resolveInside(folder, "log.txt");
  if (getFileStamp(path) === "") return "";
  return decodeTail(readEnd(path, Math.min(bytes, maxBytes)));
}

/** Leaves out the partial line at the start and an incomplete character at the end. */
export function decodeTail({ bytes, start }: { readonly bytes: Uint8Array; readonly start: number }): string {
  const firstEnd = start === 0 ? -1 : bytes.indexOf(newline);
  // If the part is inside one long line, the line is shown from its first whole character.
  const from = firstEnd >= 0 ? firstEnd + 1 : start === 0 ? 0 : findFirstCharacter(bytes);
  return new TextDecoder().decode(bytes.subarray(from), { stream: true });
}

function findFirstCharacter(bytes: Uint8Array): number {
  const first = bytes.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.max(0, first);
}
