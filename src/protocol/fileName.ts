/** The last part of a path, whichever way its slashes lean: a page and a tree may stand on another system than the file. */
export function fileName(path: string): string {
  return /[^/\\]*$/.exec(path.replace(/[/\\]+$/, ""))?.[0] ?? path;
}
