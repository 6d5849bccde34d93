/** Whether a file lies inside one of the folders once every link on the way is followed. */
import { realpath } from "node:fs/promises";
import path from "node:path";

export async function isWithin(file: string, folders: readonly string[]): Promise<boolean> {
  if (!path.isAbsolute(file)) return false;
  const real = await realpath(file);
  for (const folder of folders) {
    const relative = path.relative(await realpath(folder), real);
    if (relative !== ".." && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative)) return true;
  }
  return false;
}
