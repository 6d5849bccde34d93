/** The last part of a path with slashes or backslashes: the file may be on another system than the page that shows it. */
export function getFileName(path: string): string {
  return /[^/\\]*$/.exec(path.replace(/[/\\]+$/, ""))?.[0] ?? path;
}

/** `a/first.lathe.md` → `a/first`; files for other programs end with `.md`, `.yml` or `.yaml` alone. */
export function removeExperimentEnding(path: string): string {
  return path.replace(/(\.lathe)?\.(md|ya?ml)$/i, "");
}
