/**
 * `npm run generate`: writes the catalogs from their folders, then the manifest, the experiment reference and the
 * generated parts of other pages. With --check it writes nothing, lists stale files and exits with status 1.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  generateCatalogs,
  generateCompatibility,
  generateGoals,
  generateManifest,
  generatePageParts,
  generateReference,
  generateStructure,
  generateSystems,
  findStaleFiles,
} from "./generatedFiles";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

async function update(files: ReadonlyMap<string, string>): Promise<string[]> {
  const stale = await findStaleFiles(root, files);
  for (const file of check ? [] : stale) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), files.get(file)!);
  }
  return stale;
}

// The manifest and the reference load the catalogs from disk, so the catalogs are written first.
const stale = await update(await generateCatalogs(root));
if (!check || stale.length === 0) {
  stale.push(...(await update(await generateGoals(root))));
  stale.push(...(await update(await generateManifest(root))));
  stale.push(...(await update(await generateReference())));
  stale.push(...(await update(await generatePageParts(root))));
  stale.push(...(await update(await generateCompatibility(root))));
  stale.push(...(await update(await generateSystems(root))));
  stale.push(...(await update(await generateStructure(root))));
}
for (const file of stale) console.log(`${check ? "stale" : "written"}: ${file}`);
if (check && stale.length > 0) {
  console.log("Run `npm run generate`.");
  process.exitCode = 1;
}
