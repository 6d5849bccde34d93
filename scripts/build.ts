/**
 * Bundles each program of Lathe into one file under dist/. Only ONNX Runtime stays outside: it is a native library.
 * Names stay legible and source maps lie beside, because a stack trace from a user's machine has to mean something.
 */
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));

interface Program {
  readonly source: string;
  readonly target: string;
  readonly executable?: boolean;
}

const programs: readonly Program[] = [
  { source: "src/cli/main.ts", target: "dist/lathe.cjs", executable: true },
  { source: "src/backend/runs/runProcess.ts", target: "dist/runProcess.cjs" },
];

const bundleUrl = 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;';

function optionsOf({ source, target, executable = false }: Program): BuildOptions {
  return {
    absWorkingDir: root,
    entryPoints: [source],
    outfile: target,
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
    metafile: true,
    logLevel: "warning",
    // Some dependencies ask where their file lies, which CommonJS says in another way.
    define: { "import.meta.url": "bundleUrl" },
    banner: { js: `${executable ? "#!/usr/bin/env node\n" : ""}${bundleUrl}` },
  };
}

async function bundle(program: Program): Promise<string> {
  const { metafile } = await build(optionsOf(program));
  if (program.executable) chmodSync(`${root}/${program.target}`, 0o755);
  const kilobytes = (metafile!.outputs[program.target]!.bytes / 1000).toFixed(0);
  return `${program.target.padEnd(22)} ${kilobytes.padStart(6)} kB`;
}

const started = performance.now();
const present = programs.filter(({ source }) => existsSync(`${root}/${source}`));
const built = await Promise.allSettled(present.map(bundle));
for (const each of built) if (each.status === "fulfilled") console.log(each.value);
for (const { source } of programs.filter((each) => !present.includes(each)))
  console.log(`${source} is not there: left out`);
// What went wrong has been printed already, with file and line.
if (built.some(({ status }) => status === "rejected")) process.exit(1);
// Not before: a run that has just been started may still be reading its program.
const fresh = new Set(present.flatMap(({ target }) => [target, `${target}.map`]));
for (const file of readdirSync(`${root}/dist`))
  if (!fresh.has(`dist/${file}`)) rmSync(`${root}/dist/${file}`);
console.log(`built in ${((performance.now() - started) / 1000).toFixed(1)} s`);
