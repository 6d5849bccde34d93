/** What a program is made of, by packages and by folders of our own. */
import { measureBundledFiles, type Program } from "./bundle";

/** Bytes of each part, the largest first. */
export async function measureParts(program: Program): Promise<ReadonlyMap<string, number>> {
  const parts = new Map<string, number>();
  for (const [file, bytes] of await measureBundledFiles(program))
    parts.set(getPart(file), (parts.get(getPart(file)) ?? 0) + bytes);
  return new Map([...parts].sort(([, a], [, b]) => b - a));
}

/** The package that a file belongs to, or the second folder from the root, as `src/extension/views`. */
function getPart(file: string): string {
  const inPackage = /.*node_modules\/(?<name>(?:@[^/]+\/)?[^/]+)/.exec(file)?.groups?.["name"];
  return inPackage === undefined ? file.split("/").slice(0, 3).join("/") : `package ${inPackage}`;
}
