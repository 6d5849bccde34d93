/**
 * `npm run generate`: catalogs from their folders, then from what they hold the editor's manifest and the
 * reference of experiments.
 * With --check nothing is written; stale files are listed, and the exit status is 1.
 */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { generatedCatalogs, generatedManifest, generatedReference, staleFiles } from "./generatedFiles";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");

async function bring(files: ReadonlyMap<string, string>): Promise<string[]> {
  const stale = await staleFiles(root, files);
  for (const file of check ? [] : stale) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), files.get(file)!);
  }
  return stale;
}

// The manifest and the reference are made from the catalogs as they are on disk, so these come first.
const stale = await bring(await generatedCatalogs(root));
if (!check || stale.length === 0) {
  stale.push(...(await bring(await generatedManifest(root))));
  stale.push(...(await bring(await generatedReference())));
}
for (const file of stale) console.log(`${check ? "stale" : "written"}: ${file}`);
if (check && stale.length > 0) {
  console.log("Run `npm run generate`.");
  process.exitCode = 1;
}
