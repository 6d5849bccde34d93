/** Packs what is built for one platform into a `.vsix`. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type AddressedManifest, createGalleryPage, galleryPagePath } from "./galleryPage";
import { createThirdPartyNotices } from "./notices";
import { createPlatformLines, findContentFaults, type PackedFile } from "./packageContent";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Needed for packages alone, so npm fetches it the first time instead of at every install. */
export const vscePackage = "@vscode/vsce@3.9.2";

export interface PackedExtension {
  readonly files: readonly PackedFile[];
  readonly bytes: number;
  /** What is wrong with the content; empty for a package as it should be. */
  readonly faults: readonly string[];
}

export function build(): void {
  runNode([join(root, "node_modules/tsx/dist/cli.mjs"), "scripts/build.ts"], "inherit");
}

/** Writes what every package contains besides the programs: the notices take a while, so once for all platforms. */
export async function writeSharedFiles(): Promise<void> {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as AddressedManifest;
  writeFileSync(join(root, "dist/THIRD-PARTY-NOTICES.txt"), await createThirdPartyNotices(root));
  writeFileSync(join(root, galleryPagePath), createGalleryPage(root, manifest));
}

/** After `writeSharedFiles`. */
export function packExtension(target: string, file: string): PackedExtension {
  const scratch = mkdtempSync(join(tmpdir(), "lathe-package-"));
  try {
    const ignoreFile = join(scratch, "ignore");
    const lines = readFileSync(join(root, ".vscodeignore"), "utf8").trimEnd().split(/\r?\n/);
    writeFileSync(ignoreFile, [...lines, ...createPlatformLines(target), ""].join("\n"));
    const options = ["--ignoreFile", ignoreFile, "--readme-path", galleryPagePath];

    const names = runVsce("ls", ...options)
      .split("\n")
      .filter(Boolean);
    const files = names.map((name): PackedFile => ({ name, bytes: statSync(join(root, name)).size }));
    mkdirSync(dirname(file), { recursive: true });
    runVsce("package", "--target", target, "--out", file, "--no-rewrite-relative-links", ...options);
    const { size } = statSync(file);
    return { files, bytes: size, faults: findContentFaults(target, files, size) };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** Runs the pinned packer. `npm exec` needs no shell, unlike `npx` on Windows. */
function runVsce(...args: readonly string[]): string {
  const npm = process.env["npm_execpath"];
  if (npm === undefined) throw new Error("Start this through npm, as `npm run package` does.");
  return runNode([npm, "exec", "--yes", `--package=${vscePackage}`, "--", "vsce", ...args], "pipe");
}

function runNode(args: readonly string[], output: "inherit" | "pipe"): string {
  return execFileSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", output, "inherit"],
    maxBuffer: 1e8,
  });
}
