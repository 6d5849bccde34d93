/** Bundles the suites that run inside the extension host, each into a separate file. */
import { readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

const sources = resolve("test/vscode/host");

/** Returns the file for VS Code's `extensionTestsPath`. */
export async function bundleHostSuites(): Promise<string> {
  // Inside the checkout, where Mocha is found.
  const folder = resolve(".cache/vscode-suites");
  rmSync(folder, { recursive: true, force: true });
  const entries = readdirSync(sources).filter((file) => file.endsWith(".suite.ts") || file === "run.ts");
  await build({
    entryPoints: entries.map((file) => ({ in: join(sources, file), out: basename(file, ".ts") })),
    outdir: folder,
    outExtension: { ".js": ".cjs" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["vscode", "mocha"],
    sourcemap: "inline",
    logLevel: "warning",
  });
  return join(folder, "run.cjs");
}
