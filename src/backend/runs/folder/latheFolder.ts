/** The folder `.lathe` of a workspace. Its .gitignore keeps runs out of commits, but not what a person saved by name. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writeAtomic } from "./atomicFile";

export const viewsFile = "views.json";

const ignored = `*\n!${viewsFile}\n`;
/** As earlier versions wrote it. */
const ignoredBefore = "*\n";

/** Creates what is missing. A .gitignore that a person has changed stays. */
export function makeLatheFolder(workspace: string): string {
  const folder = join(workspace, ".lathe");
  mkdirSync(folder, { recursive: true });
  const ignore = join(folder, ".gitignore");
  if (!existsSync(ignore) || readFileSync(ignore, "utf8") === ignoredBefore) writeAtomic(ignore, ignored);
  return folder;
}
