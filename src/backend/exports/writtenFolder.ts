/** Writes a folder atomically: it appears under its name only when it is complete. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { toWorkbenchError, WorkbenchError } from "../../protocol/errors";

export interface WrittenFolder {
  readonly folder: string;
  /** Names in subfolders are `<subfolder>/<name>`. */
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
    return { folder: target, files: listFiles(target) };
  } catch (thrown) {
    rmSync(draft, { recursive: true, force: true });
    throw toWorkbenchError(thrown);
  }
}

function listFiles(folder: string): WrittenFolder["files"] {
  return (readdirSync(folder, { recursive: true }) as string[]).flatMap((name) => {
    const found = statSync(join(folder, name));
    return found.isFile() ? [{ name: name.replaceAll(sep, "/"), bytes: found.size }] : [];
  });
}
