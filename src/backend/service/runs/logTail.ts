/** The end of a run's log as text, starting at a whole line. */
import { WorkbenchError } from "../../../protocol/errors";
import { readEnd, stampOf } from "../../runs/folder/boundedFile";
import { insideFolder } from "../../runs/folder/insideFolder";

const mostBytes = 4 * 1024 * 1024;
const newline = 10;

export function logTail(folder: string, bytes: number): string {
  if (!Number.isInteger(bytes) || bytes < 1)
    throw new WorkbenchError(
      "invalid-input",
      `The number of log bytes must be a positive integer, not ${bytes}.`,
    );
  const path = insideFolder(folder, "log.txt");
  if (stampOf(path) === "") return "";
  return textOf(readEnd(path, Math.min(bytes, mostBytes)));
}

/** Leaves out the partial line at the start and an incomplete character at the end. */
export function textOf({ bytes, start }: { readonly bytes: Uint8Array; readonly start: number }): string {
  const firstEnd = start === 0 ? -1 : bytes.indexOf(newline);
  // If the part is inside one long line, the line is shown from its first whole character.
  const from = firstEnd >= 0 ? firstEnd + 1 : start === 0 ? 0 : firstCharacter(bytes);
  return new TextDecoder().decode(bytes.subarray(from), { stream: true });
}

function firstCharacter(bytes: Uint8Array): number {
  const first = bytes.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.max(0, first);
}
