/** Folders that go when the tests of a file are over, or the process that made them. */
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

// Programs that tests start end by themselves; a test runner ends its own processes without asking.
process.on("exit", removeTemporaryFolders);
