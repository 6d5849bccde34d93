/** The one way from a run folder to what lies in it: never outside, also not by way of a link. */
import { lstatSync } from "node:fs";
import { isAbsolute, join, normalize, sep } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";

/** The path of something inside the folder, there or not; refuses what lies outside. */
export function insideFolder(folder: string, ...segments: readonly string[]): string {
  const relative = normalize(join(...segments));
  if (isAbsolute(relative) || relative === ".." || relative.startsWith(`..${sep}`)) {
    throw new WorkbenchError("invalid-input", `${relative} lies outside the run folder ${folder}.`);
  }
  let path = folder;
  for (const segment of relative.split(sep)) {
    path = join(path, segment);
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (found === undefined) break;
    if (found.isSymbolicLink()) {
      throw new WorkbenchError(
        "io",
        `${path} is a symbolic link, which leads out of the run folder. Remove the link.`,
      );
    }
  }
  return join(folder, relative);
}
