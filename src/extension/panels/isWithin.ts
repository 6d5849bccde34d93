/** Whether a file is inside one of the folders after all symbolic links are resolved. */
import { realpath } from "node:fs/promises";
import path from "node:path";

export async function isWithin(file: string, folders: readonly string[]): Promise<boolean> {
  if (!path.isAbsolute(file)) return false;
  const realFile = await realpath(file);
  for (const folder of folders) {
    const relative = path.relative(await realpath(folder), realFile);
    if (relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)) return true;
  }
  return false;
}
