/**
 * `npm run release`: checks, builds and packs a version for every platform of the galleries, and stops before the upload:
 * it prints the commands for it. `--check` stops after the checks.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { platforms } from "./packageContent";
import { build, packExtension, vscePackage, writeSharedFiles } from "./packExtension";
import { findMissingBinaries, findReleaseFaults, type ReleasedManifest } from "./releaseChecks";

const openVsxPackage = "ovsx@1.4.0";
const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
const read = (file: string) => readFileSync(join(root, file), "utf8");
const manifest = JSON.parse(read("package.json")) as ReleasedManifest;
const { version, publisher } = manifest;

function stopAt(faults: readonly string[]): void {
  if (faults.length === 0) return;
  for (const fault of faults) console.error(fault);
  console.error(
    `Version ${version} was not packed: ${faults.length === 1 ? "1 fault" : `${faults.length} faults`}.`,
  );
  process.exit(1);
}

function findUncommittedChanges(): readonly string[] {
  const status = execFileSync("git", ["status", "--porcelain"], { cwd: root, encoding: "utf8" }).trim();
  return status === "" ? [] : [`Commit these changes first:\n${status}`];
}

stopAt([
  ...findReleaseFaults(manifest, read("CHANGELOG.md")),
  ...findMissingBinaries(root),
  ...findUncommittedChanges(),
]);
console.log(`Version ${version} of ${publisher} can be packed.`);
if (values.check) process.exit(0);

const folder = join(root, "packages");
rmSync(folder, { recursive: true, force: true });
build();
await writeSharedFiles();
const packages: string[] = [];
for (const target of platforms) {
  const file = join(folder, `lathe-${target}-${version}.vsix`);
  const { files, bytes, faults } = packExtension(target, file);
  stopAt(faults.map((fault) => `${target}: ${fault}`));
  console.log(`${target.padEnd(14)} ${(bytes / 1e6).toFixed(1).padStart(5)} MB, ${files.length} files`);
  packages.push(file);
}
const hash = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
writeFileSync(
  join(folder, "SHA256SUMS"),
  packages.map((file) => `${hash(file)}  ${basename(file)}\n`).join(""),
);
const names = packages.map((file) => `packages/${basename(file)}`);
console.log(`
Nothing has been uploaded. Install one of the packages and try it, then publish them as ${publisher}:

git tag v${version} && git push origin v${version}
npx ${vscePackage} publish --packagePath ${names.join(" ")}
npx ${openVsxPackage} publish --packagePath ${names.join(" ")}`);
