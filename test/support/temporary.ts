/** Folders that are removed after the tests of a file, or with the process that created them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const folders: string[] = [];

export function createTemporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lathe-training-"));
  folders.push(folder);
  return folder;
}

export function removeTemporaryFolders(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

// Programs that tests start exit by themselves; a test runner kills its own processes.
process.on("exit", removeTemporaryFolders);
