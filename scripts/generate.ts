/**
 * `npm run generate`: writes the catalogs from their folders, then the manifest, the experiment reference and the
 * generated parts of other pages. With --check it writes nothing, lists stale files and exits with status 1.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  generatedCatalogs,
  generatedGoals,
  generatedManifest,
  generatedParts,
  generatedReference,
  generatedStructure,
  staleFiles,
} from "./generatedFiles";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

async function update(files: ReadonlyMap<string, string>): Promise<string[]> {
  const stale = await staleFiles(root, files);
  for (const file of check ? [] : stale) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), files.get(file)!);
  }
  return stale;
}

// The manifest and the reference load the catalogs from disk, so the catalogs are written first.
const stale = await update(await generatedCatalogs(root));
if (!check || stale.length === 0) {
  stale.push(...(await update(await generatedGoals(root))));
  stale.push(...(await update(await generatedManifest(root))));
  stale.push(...(await update(await generatedReference())));
  stale.push(...(await update(await generatedParts(root))));
  stale.push(...(await update(await generatedStructure(root))));
}
for (const file of stale) console.log(`${check ? "stale" : "written"}: ${file}`);
if (check && stale.length > 0) {
  console.log("Run `npm run generate`.");
  process.exitCode = 1;
}
