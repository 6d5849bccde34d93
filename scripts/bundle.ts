/**
 * Bundles each program of Lathe into one file. Only ONNX Runtime stays outside: it is a native library.
 * Names stay legible and source maps lie beside, because a stack trace from a user's machine has to mean something.
 */
import { chmodSync, existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Program {
  readonly source: string;
  readonly file: string;
  readonly executable?: boolean;
}

export const programs: readonly Program[] = [
  { source: "src/cli/main.ts", file: "lathe.cjs", executable: true },
  { source: "src/backend/runs/runProcess.ts", file: "runProcess.cjs" },
];

const bundleUrl = 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;';

function optionsOf({ source, file, executable = false }: Program, folder: string): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: [source],
    outfile: join(folder, file),
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["onnxruntime-node"],
    sourcemap: true,
    // The maps point into the sources, which a checkout has; the text of every dependency need not travel too.
    sourcesContent: false,
    keepNames: false,
    minify: false,
    legalComments: "none",
    logLevel: "warning",
    // Some dependencies ask where their file lies, which CommonJS says in another way.
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: `${executable ? "#!/usr/bin/env node\n" : ""}${bundleUrl}` },
  };
}

/** Writes the program into the folder and returns its size in bytes. */
export async function bundle(program: Program, folder: string): Promise<number> {
  await build(optionsOf(program, folder));
  const target = join(folder, program.file);
  if (program.executable) chmodSync(target, 0o755);
  return statSync(target).size;
}

export function isPresent({ source }: Program): boolean {
  return existsSync(join(root, source));
}
