/**
 * Bundles each program of Lathe into one file. ONNX Runtime and the tokenizer library stay outside, because they are
 * native, and so does what VS Code provides to its extensions.
 * Names stay legible and source maps lie beside, because a stack trace from a user's machine has to mean something.
 */
import { chmodSync, existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";
import { maxPageBytes } from "./packageContent";

const root = fileURLToPath(new URL("..", import.meta.url));

export interface Program {
  readonly source: string;
  readonly file: string;
  readonly executable?: boolean;
  /** Runs in a page of the editor instead of in Node. */
  readonly browser?: boolean;
  /** What it may grow to, where somebody waits for it to be loaded. */
  readonly mostBytes?: number;
}

/** Every file in webview/panels is the page of a panel. */
const pages = readdirSync(join(root, "webview/panels"))
  .filter((file) => file.endsWith(".ts"))
  .map((file): Program => ({
    source: `webview/panels/${file}`,
    file: `pages/${file.replace(/\.ts$/, ".js")}`,
    browser: true,
    mostBytes: maxPageBytes,
  }));

export const programs: readonly Program[] = [
  { source: "src/cli/main.ts", file: "lathe.cjs", executable: true },
  { source: "src/backend/runs/process/runProcess.ts", file: "runProcess.cjs" },
  { source: "src/backend/main.ts", file: "backend.cjs" },
  // Every window of the editor loads it where it opens an experiment or the side panel: no package belongs in it.
  { source: "src/extension/extension.ts", file: "extension.cjs", mostBytes: 300e3 },
  {
    source: "webview/renderer/renderer.ts",
    file: "pages/renderer.js",
    browser: true,
    mostBytes: maxPageBytes,
  },
  ...pages,
];

const bundleUrl = 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;';

function createBuildOptions(
  { source, file, executable = false, browser = false }: Program,
  folder: string,
): BuildOptions {
  const shared: BuildOptions = {
    absWorkingDir: root,
    entryPoints: [source],
    outfile: join(folder, file),
    bundle: true,
    sourcemap: true,
    // The maps point into the sources, which a checkout has; the text of every dependency need not travel too.
    sourcesContent: false,
    keepNames: false,
    legalComments: "none",
    logLevel: "warning",
  };
  // A page crosses the network wherever the editor is remote, so it is made small.
  if (browser) return { ...shared, platform: "browser", target: "es2022", format: "esm", minify: true };
  return {
    ...shared,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["onnxruntime-node", "tokenizers", "vscode"],
    minify: false,
    // Some dependencies read the path of their file, which CommonJS provides in another way.
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: `${executable ? "#!/usr/bin/env node\n" : ""}${bundleUrl}` },
  };
}

/** Writes the program into the folder and returns its size in bytes. */
export async function bundle(program: Program, folder: string): Promise<number> {
  await build(createBuildOptions(program, folder));
  const target = join(folder, program.file);
  if (program.executable) chmodSync(target, 0o755);
  return statSync(target).size;
}

/** Every file that the program is made of, as a path from the root, and how many bytes of the program are its. */
export async function measureBundledFiles(program: Program): Promise<ReadonlyMap<string, number>> {
  const { metafile } = await build({
    ...createBuildOptions(program, ""),
    write: false,
    metafile: true,
    sourcemap: false,
  });
  // What was left out in the end needs no mention.
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs));
  return new Map(
    inputs.flatMap(([file, { bytesInOutput }]) => (bytesInOutput > 0 ? [[file, bytesInOutput]] : [])),
  );
}

export function isPresent({ source }: Program): boolean {
  return existsSync(join(root, source));
}
