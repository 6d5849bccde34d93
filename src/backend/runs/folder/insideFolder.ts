/** Builds paths inside a run folder that never leave it, not even through a link. */
import { lstatSync } from "node:fs";
import { isAbsolute, join, normalize, sep } from "node:path";
import { WorkbenchError } from "../../../protocol/errors";

/** The path of a possibly missing entry of the folder. Throws for paths outside it. */
export function resolveInside(folder: string, ...segments: readonly string[]): string {
  const relative = normalize(join(...segments));
  if (isAbsolute(relative) || relative === ".." || relative.startsWith(`..${sep}`)) {
    throw new WorkbenchError("invalid-input", `${relative} is outside the run folder ${folder}.`);
  }
  let path = folder;
  for (const segment of relative.split(sep)) {
    path = join(path, segment);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) break;
    if (stats.isSymbolicLink()) {
      throw new WorkbenchError(
        "io",
        `${path} is a symbolic link, which may lead out of the run folder. Remove the link.`,
      );
    }
  }
  return join(folder, relative);
}
