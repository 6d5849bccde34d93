/**
 * `npm run prune-binaries`: deletes the native binaries of other platforms from node_modules, which npm installs because
 * they are inside the packages. This platform builds, tests and packages as before. To package for another platform, run
 * `npm ci` first, which restores them; for that reason no other command prunes by itself.
 */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The files and folders below node_modules that only other platforms load. */
export function findForeignBinaries(modules: string, platform: string, arch: string): string[] {
  const foreign: string[] = [];
  const runtime = join(modules, "onnxruntime-node", "bin", "napi-v6");
  for (const system of listEntries(runtime)) {
    if (system !== platform) foreign.push(join(runtime, system));
    else
      foreign.push(
        ...listEntries(join(runtime, system))
          .filter((each) => each !== arch)
          .map((each) => join(runtime, system, each)),
      );
  }
  // `tokenizers.linux-x64-gnu.node`: the C library may be either, so both stay.
  const tokenizers = join(modules, "tokenizers");
  const platformBinaries = [`tokenizers.${platform}-${arch}`, `tokenizers.${platform}-universal`];
  foreign.push(
    ...listEntries(tokenizers)
      .filter((name) => /^tokenizers\.[^/]+\.node$/.test(name))
      .filter(
        (name) => !platformBinaries.some((start) => name === `${start}.node` || name.startsWith(`${start}-`)),
      )
      .map((name) => join(tokenizers, name)),
  );
  return foreign;
}

function listEntries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function measureBytes(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + measureBytes(join(path, name)), 0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const modules = fileURLToPath(new URL("../node_modules", import.meta.url));
  let bytes = 0;
  for (const path of findForeignBinaries(modules, process.platform, process.arch)) {
    bytes += measureBytes(path);
    rmSync(path, { recursive: true });
    console.log(`removed ${path}`);
  }
  console.log(`${(bytes / 1e6).toFixed(0)} MB removed. \`npm ci\` restores them.`);
}
