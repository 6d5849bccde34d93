/** Files that Git left as pointers to Git LFS: a clone without it has three lines of text in place of each large file. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { WorkbenchError } from "../../protocol/errors";

const pointerPrefix = "version https://git-lfs.github.com/spec/v";
/** The specification limits a pointer to less than this. */
const maxPointerBytes = 1024;

/** Throws where the file is a pointer; a file that cannot be opened is left to whatever reads it. */
export function refuseLfsPointer(path: string): void {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return;
  }
  try {
    const { size } = fstatSync(file);
    if (size < pointerPrefix.length || size >= maxPointerBytes) return;
    const start = Buffer.alloc(pointerPrefix.length);
    readSync(file, start, 0, start.length, 0);
    if (start.toString("latin1") !== pointerPrefix) return;
  } finally {
    closeSync(file);
  }
  throw new WorkbenchError(
    "invalid-input",
    `${path} is a Git LFS pointer, not the file; run git lfs pull in its folder, or download the file itself.`,
  );
}
