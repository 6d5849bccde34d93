/** The end of a run's log as text, from a whole line on. */
import { WorkbenchError } from "../../../protocol/errors";
import { readEnd, stampOf } from "../../runs/folder/boundedFile";
import { insideFolder } from "../../runs/folder/insideFolder";

const mostBytes = 4 * 1024 * 1024;
const newline = 10;

export function logTail(folder: string, bytes: number): string {
  if (!Number.isInteger(bytes) || bytes < 1)
    throw new WorkbenchError("invalid-input", `A log is read by whole bytes, from 1 up, not ${bytes}.`);
  const path = insideFolder(folder, "log.txt");
  if (stampOf(path) === "") return "";
  return textOf(readEnd(path, Math.min(bytes, mostBytes)));
}

/** What was cut into at the start is left out, and so is a character whose end is still to be written. */
export function textOf({ bytes, start }: { readonly bytes: Uint8Array; readonly start: number }): string {
  const firstEnd = start === 0 ? -1 : bytes.indexOf(newline);
  // Where the part lies within one long line, that line is shown from its first whole character.
  const from = firstEnd >= 0 ? firstEnd + 1 : start === 0 ? 0 : firstCharacter(bytes);
  return new TextDecoder().decode(bytes.subarray(from), { stream: true });
}

function firstCharacter(bytes: Uint8Array): number {
  const first = bytes.subarray(0, 4).findIndex((byte) => (byte & 0xc0) !== 0x80);
  return Math.max(0, first);
}
