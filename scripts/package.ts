/**
 * `npm run package`: builds and packs the extension for this platform, or for the one that `--target` names. Lists the
 * content, and fails if something is missing, belongs to another platform or is too large. The packer `vsce` is needed for
 * this alone, so npm fetches it the first time instead of at every install.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { createThirdPartyNotices } from "./notices";
import {
  findContentFaults,
  type PackedFile,
  platforms,
  createPlatformLines,
  getRuntimeBinding,
} from "./packageContent";

const vscePackage = "@vscode/vsce@3.9.2";
const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    target: { type: "string", default: `${process.platform}-${process.arch}` },
    out: { type: "string" },
    /** Packs the existing dist/. */
    "no-build": { type: "boolean", default: false },
  },
});
const { target } = values;
if (!platforms.includes(target)) {
  console.error(`ONNX Runtime has no binaries for ${target}. There are ${platforms.join(", ")}.`);
  process.exit(2);
}
if (!existsSync(join(root, getRuntimeBinding(target)))) {
  console.error(
    `${getRuntimeBinding(target)} is missing. Run \`npm ci\` to restore what \`npm run prune-binaries\` removed.`,
  );
  process.exit(2);
}
const npm = process.env["npm_execpath"];
if (npm === undefined) {
  console.error("Start this through npm: npm run package");
  process.exit(2);
}
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const folder = join(root, "packages");
const file = values.out ?? join(folder, `lathe-${target}-${version}.vsix`);

function runNode(args: readonly string[], printOutput: boolean): string {
  return execFileSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", printOutput ? "inherit" : "pipe", "inherit"],
    maxBuffer: 1e8,
  });
}

/** Runs the pinned packer. `npm exec` needs no shell, unlike `npx` on Windows. */
function runVsce(...args: readonly string[]): string {
  return runNode([npm!, "exec", "--yes", `--package=${vscePackage}`, "--", "vsce", ...args], false);
}

if (!values["no-build"]) runNode([join(root, "node_modules/tsx/dist/cli.mjs"), "scripts/build.ts"], true);
writeFileSync(join(root, "dist/THIRD-PARTY-NOTICES.txt"), await createThirdPartyNotices(root));

const scratch = mkdtempSync(join(tmpdir(), "lathe-package-"));
try {
  const ignoreFile = join(scratch, "ignore");
  const lines = readFileSync(join(root, ".vscodeignore"), "utf8").trimEnd().split(/\r?\n/);
  writeFileSync(ignoreFile, [...lines, ...createPlatformLines(target), ""].join("\n"));

  const names = runVsce("ls", "--ignoreFile", ignoreFile).split("\n").filter(Boolean);
  const files = names.map((name): PackedFile => ({ name, bytes: statSync(join(root, name)).size }));
  for (const { name, bytes } of files.toSorted((a, b) => b.bytes - a.bytes))
    console.log(`${(bytes / 1000).toFixed(1).padStart(9)} kB  ${name}`);

  mkdirSync(folder, { recursive: true });
  const options = ["--target", target, "--ignoreFile", ignoreFile, "--out", file];
  runVsce("package", ...options, "--no-rewrite-relative-links", "--allow-missing-repository");
  const { size } = statSync(file);
  console.log(`${file}: ${(size / 1e6).toFixed(1)} MB, ${files.length} files`);
  const faults = findContentFaults(target, files, size);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true });
}
