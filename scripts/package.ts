/**
 * `npm run package`: builds and packs the extension for this platform, or for the one that `--target` names. Lists the
 * content, and fails if something is missing, unused, belongs to another platform or is too large.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { getRuntimeBinding, platforms } from "./packageContent";
import { build, packExtension, writeSharedFiles } from "./packExtension";

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
if (process.env["npm_execpath"] === undefined) {
  console.error("Start this through npm: npm run package");
  process.exit(2);
}
if (!values["no-build"]) build();
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
await writeSharedFiles();
const file = values.out ?? join(root, "packages", `lathe-${target}-${version}.vsix`);
const { files, bytes, faults } = packExtension(target, file);
for (const { name, bytes } of files.toSorted((a, b) => b.bytes - a.bytes))
  console.log(`${(bytes / 1000).toFixed(1).padStart(9)} kB  ${name}`);
console.log(`${file}: ${(bytes / 1e6).toFixed(1)} MB, ${files.length} files`);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
