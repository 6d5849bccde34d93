/** Computes the generated files, and which of them are out of date on disk. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { format, resolveConfig } from "prettier";
import { createCatalogFiles } from "./catalogFiles";
import { createTextBundle } from "./extensionTexts";
import { createManifestFiles } from "./manifest";
import { phrasesMarkdown } from "./plainEnglish/phrases.js";
import { createStructureMarkdown, createStructureSvg } from "./structure/drawing";
import { createImportTable } from "./structure/importTable";
import { readSources } from "./structure/imports";
import { measureStructure } from "./structure/rooms";

export async function generateCatalogs(root: string): Promise<Map<string, string>> {
  const files = await createCatalogFiles(root);
  const style = await resolveConfig(path.join(root, "src/catalog.ts"));
  for (const [file, text] of files) files.set(file, await format(text, { ...style, parser: "typescript" }));
  return files;
}

/** VS Code's manifest, from the definitions in the catalogs, and the texts of the manifest and of the extension host. */
export async function generateManifest(root: string): Promise<Map<string, string>> {
  const files = new Map(await createManifestFiles(root));
  files.set("l10n/bundle.l10n.json", createTextBundle(root));
  const style = await resolveConfig(path.join(root, "package.json"));
  for (const [file, text] of files)
    files.set(file, await format(text, { ...style, parser: "json-stringify" }));
  return files;
}

/** The goals that the metrics declare, where the schema, cards and pages can read them. */
export async function generateGoals(root: string): Promise<Map<string, string>> {
  const { metrics } = await import("../src/backend/evaluation/catalog");
  const goals = Object.assign({}, ...Object.values(metrics).map((metric) => metric.goals)) as object;
  const text = `/** Which way the values of each metric are better. Written by \`npm run generate\`. */

export const metricGoals = ${JSON.stringify(goals)} as const;\n`;
  const file = "src/schema/metricGoals.ts";
  const style = await resolveConfig(path.join(root, file));
  return new Map([[file, await format(text, { ...style, parser: "typescript" })]]);
}

export async function generateReference(): Promise<Map<string, string>> {
  // Loaded late: the schemas come through the catalogs, which may just have been written.
  const { createReferencePage } = await import("./referencePage");
  return new Map([["docs/experiment.md", createReferencePage()]]);
}

/** What works together, from the catalogs of families, methods and formats. */
export async function generateCompatibility(root: string): Promise<Map<string, string>> {
  const { createCompatibilityPage } = await import("./compatibility");
  const file = "docs/compatibility.md";
  const style = await resolveConfig(path.join(root, file));
  return new Map([[file, await format(createCompatibilityPage(), { ...style, parser: "markdown" })]]);
}

/** Published systems, and where they are. */
export async function generateSystems(root: string): Promise<Map<string, string>> {
  const { createSystemsPage } = await import("./systems");
  const file = "docs/systems.md";
  const style = await resolveConfig(path.join(root, file));
  return new Map([[file, await format(createSystemsPage(root), { ...style, parser: "markdown" })]]);
}

/** Pages written by hand that contain a generated part. */
export async function generatePageParts(root: string): Promise<Map<string, string>> {
  const { createPairTable } = await import("./methodPairs");
  const parts = [
    ["docs/extending.md", "import table", createImportTable()],
    ["docs/style.md", "phrases", phrasesMarkdown()],
    ["docs/methods.md", "pairs", createPairTable()],
  ] as const;
  const files = new Map<string, string>();
  for (const [file, name, part] of parts) {
    const page = await readFile(path.join(root, file), "utf8");
    const style = await resolveConfig(path.join(root, file));
    files.set(file, await format(replacePart(page, name, part), { ...style, parser: "markdown" }));
  }
  return files;
}

/** The drawing of the structure, and the page that shows it with a table. */
export async function generateStructure(root: string): Promise<Map<string, string>> {
  const structure = measureStructure(readSources(root, ["src", "webview"]));
  const page = `# Structure

<!-- Written by \`npm run generate\`. \`npm run structure\` prints the table. -->

A room is a folder with everything below it. It is one floor above the highest room that it imports, so every arrow points down. The drawing leaves out the arrows that a longer way implies; the table lists all of them. [ARCHITECTURE.md](../ARCHITECTURE.md) describes the rooms.

![The rooms of Lathe by floor](structure.svg)

${createStructureMarkdown(structure)}
`;
  const style = await resolveConfig(path.join(root, "docs/structure.md"));
  return new Map([
    ["docs/structure.svg", createStructureSvg(structure)],
    ["docs/structure.md", await format(page, { ...style, parser: "markdown" })],
  ]);
}

/** Replaces what is between the comments `<!-- name -->` and `<!-- end of name -->`. */
function replacePart(page: string, name: string, part: string): string {
  const [start, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const [from, to] = [page.indexOf(start), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`The page has no part between ${start} and ${end}.`);
  return `${page.slice(0, from + start.length)}\n\n${part}\n\n${page.slice(to)}`;
}

export async function findStaleFiles(root: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  const stalePaths: string[] = [];
  for (const [file, text] of files) {
    const current = await readFile(path.join(root, file), "utf8").catch(() => undefined);
    // Git may have converted the line ends on Windows.
    if (current?.replaceAll("\r\n", "\n") !== text) stalePaths.push(file);
  }
  return stalePaths;
}
