/** The last part of a path with slashes or backslashes: the file may be on another system than the page that shows it. */
export function getFileName(path: string): string {
  return /[^/\\]*$/.exec(path.replace(/[/\\]+$/, ""))?.[0] ?? path;
}
