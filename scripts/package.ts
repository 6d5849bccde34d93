/**
 * `npm run package`: builds and packs the extension for one platform, this one unless `--target` names another. Needs no
 * network. Says what is inside, and fails where something is missing, foreign or too large.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { thirdPartyNotices } from "./notices";
import { contentFaults, type PackedFile, platforms, platformLines } from "./packageContent";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    target: { type: "string", default: `${process.platform}-${process.arch}` },
    out: { type: "string" },
    /** Packs what lies in dist/ as it is. */
    "no-build": { type: "boolean", default: false },
  },
});
const { target } = values;
if (!platforms.includes(target)) {
  console.error(`ONNX Runtime has no binaries for ${target}. There are ${platforms.join(", ")}.`);
  process.exit(2);
}
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const folder = join(root, "packages");
const file = values.out ?? join(folder, `lathe-${target}-${version}.vsix`);

function node(program: string, args: readonly string[], show: boolean): string {
  return execFileSync(process.execPath, [join(root, program), ...args], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", show ? "inherit" : "pipe", "inherit"],
    maxBuffer: 1e8,
  });
}

if (!values["no-build"]) node("node_modules/tsx/dist/cli.mjs", ["scripts/build.ts"], true);
writeFileSync(join(root, "dist/THIRD-PARTY-NOTICES.txt"), await thirdPartyNotices(root));

const scratch = mkdtempSync(join(tmpdir(), "lathe-package-"));
try {
  const ignoreFile = join(scratch, "ignore");
  const lines = readFileSync(join(root, ".vscodeignore"), "utf8").trimEnd().split(/\r?\n/);
  writeFileSync(ignoreFile, [...lines, ...platformLines(target), ""].join("\n"));

  const vsce = "node_modules/@vscode/vsce/vsce";
  const names = node(vsce, ["ls", "--ignoreFile", ignoreFile], false).split("\n").filter(Boolean);
  const files = names.map((name): PackedFile => ({ name, bytes: statSync(join(root, name)).size }));
  for (const { name, bytes } of files.toSorted((a, b) => b.bytes - a.bytes))
    console.log(`${(bytes / 1000).toFixed(1).padStart(9)} kB  ${name}`);

  mkdirSync(folder, { recursive: true });
  const options = ["--target", target, "--ignoreFile", ignoreFile, "--out", file];
  node(vsce, ["package", ...options, "--no-rewrite-relative-links", "--allow-missing-repository"], false);
  const { size } = statSync(file);
  console.log(`${file}: ${(size / 1e6).toFixed(1)} MB, ${files.length} files`);
  const faults = contentFaults(target, files, size);
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true });
}
