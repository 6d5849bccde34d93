/** All files that are written from others, as they should be, and which of them are not. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { format, resolveConfig } from "prettier";
import { catalogFiles } from "./catalogFiles";
import { manifestText } from "./manifest";

export async function generatedCatalogs(root: string): Promise<Map<string, string>> {
  const files = await catalogFiles(root);
  const style = await resolveConfig(path.join(root, "src/catalog.ts"));
  for (const [file, text] of files) files.set(file, await format(text, { ...style, parser: "typescript" }));
  return files;
}

/** The manifest that the editor reads, out of the definitions that the catalogs hold. */
export async function generatedManifest(root: string): Promise<Map<string, string>> {
  const text = await manifestText(root);
  const style = await resolveConfig(path.join(root, "package.json"));
  return new Map([["package.json", await format(text, { ...style, parser: "json-stringify" })]]);
}

export async function generatedReference(): Promise<Map<string, string>> {
  // Loaded late: the schemas come through the catalogs, which may just have been written.
  const { referencePage, referenceSchema } = await import("./referencePage");
  return new Map([
    ["docs/experiment.md", referencePage()],
    ["docs/experiment.schema.json", referenceSchema()],
  ]);
}

export async function staleFiles(root: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  const stale: string[] = [];
  for (const [file, text] of files) {
    const current = await readFile(path.join(root, file), "utf8").catch(() => undefined);
    // A checkout on Windows may have turned the line ends.
    if (current?.replaceAll("\r\n", "\n") !== text) stale.push(file);
  }
  return stale;
}
