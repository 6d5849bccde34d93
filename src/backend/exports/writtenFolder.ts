/** Writes a folder atomically: it appears under its name only when it is complete. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";

export interface WrittenFolder {
  readonly folder: string;
  readonly files: readonly { readonly name: string; readonly bytes: number }[];
}

/** The temporary folder that a process writes to. A folder left behind by a killed process can be deleted. */
export function getDraftPath(folder: string, pid: number): string {
  const target = resolve(folder);
  return join(dirname(target), `.${basename(target)}.${pid}.tmp`);
}

export async function writeFolder(
  folder: string,
  fill: (draft: string) => Promise<void>,
): Promise<WrittenFolder> {
  const target = resolve(folder);
  const draft = getDraftPath(target, process.pid);
  try {
    // An export never replaces existing files.
    if (existsSync(target) && (!statSync(target).isDirectory() || readdirSync(target).length > 0))
      throw new WorkbenchError(
        "invalid-input",
        `${target} already exists and is not empty. Choose another folder.`,
      );
    rmSync(draft, { recursive: true, force: true });
    mkdirSync(draft, { recursive: true });
    await fill(draft);
    if (existsSync(target)) rmdirSync(target);
    renameSync(draft, target);
    const files = readdirSync(target).map((name) => ({ name, bytes: statSync(join(target, name)).size }));
    return { folder: target, files };
  } catch (thrown) {
    rmSync(draft, { recursive: true, force: true });
    throw toWorkbenchError(thrown);
  }
}
