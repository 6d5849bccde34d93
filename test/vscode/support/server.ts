/** Serves the workbench on the loopback interface, with separate folders for all its data. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Vscode } from "./installVscode";

export interface ServerOptions {
  /**
   * The driver allows a page to name an extension under development and its tests. It also keeps notifications from
   * popping up, so tests of notifications run without it, with the installed package.
   */
  readonly driver: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether to ask if a folder is trusted, as VS Code does by default. */
  readonly workspaceTrust?: boolean;
  /** Writes extensions into the folder of extensions before it starts. */
  readonly writeExtensions?: (folder: string) => void;
  /** Packages to install before it starts. */
  readonly install?: readonly string[];
}

export interface Server {
  readonly port: number;
  /** The folder with everything that the server has written. */
  readonly home: string;
  readonly logFile: string;
  /** Milliseconds that installing the packages took. */
  readonly installTime: number;
  /** Processes of this server whose command line holds the text: `--type=extensionHost`, `backend.cjs`. */
  processes(text: string): readonly number[];
  stop(): Promise<void>;
}

const usualSettings = {
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "chat.disableAIFeatures": true,
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoCheckUpdates": false,
  "git.enabled": false,
  "workbench.tips.enabled": false,
  // Otherwise, a screenshot depends on when it was taken.
  "workbench.reduceMotion": "on",
  "editor.cursorBlinking": "solid",
};

export async function startServer(vscode: Vscode, options: ServerOptions): Promise<Server> {
  const home = mkdtempSync(join(tmpdir(), "lathe-vscode-"));
  const user = join(home, "user/User");
  mkdirSync(user, { recursive: true });
  mkdirSync(join(home, "home"));
  writeFileSync(join(user, "settings.json"), JSON.stringify({ ...usualSettings, ...options.settings }));
  const folders = ["--server-data-dir", join(home, "server"), "--user-data-dir", join(home, "user")];
  folders.push("--extensions-dir", join(home, "extensions"));
  const env = {
    ...process.env,
    HOME: join(home, "home"),
    HISTFILE: "/dev/null",
    // Nothing is there to be asked.
    EXTENSIONS_GALLERY: "{}",
    ...options.environment,
  };
  mkdirSync(join(home, "extensions"));
  options.writeExtensions?.(join(home, "extensions"));
  const installStart = performance.now();
  for (const file of options.install ?? [])
    await finished(spawn(vscode.node, [vscode.server, "--install-extension", file, ...folders], { env }));
  const installTime = performance.now() - installStart;

  const port = await freePort();
  const child = spawn(
    vscode.node,
    [
      ...[vscode.server, "--host", "127.0.0.1", "--port", String(port), "--without-connection-token"],
      ...["--accept-server-license-terms", "--disable-telemetry", "--log", "info", ...folders],
      ...(options.workspaceTrust === true ? [] : ["--disable-workspace-trust"]),
      ...(options.driver ? ["--enable-smoke-test-driver"] : []),
    ],
    // A separate process group, so that its extension hosts end with it.
    { env, detached: true, stdio: ["ignore", "pipe", "pipe"] },
  );
  const logFile = join(home, "server.log");
  const keep = (chunk: Buffer) => writeFileSync(logFile, chunk, { flag: "a" });
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  await answering(port, child, logFile);
  return {
    port,
    home,
    logFile,
    installTime,
    processes: (text) => processesOf(child.pid!, text),
    stop: async () => {
      endGroup(child);
      await setTimeout(300);
      rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

function endGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

function processesOf(group: number, text: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // The fifth field is the process group; the second, in brackets, may contain anything.
        const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").trim().split(" ");
        return Number(fields[2]) === group && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(text);
      } catch {
        return false; // It has ended meanwhile.
      }
    })
    .map(Number);
}

async function answering(port: number, child: ChildProcess, logFile: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null)
      throw new Error(
        `VS Code's server ended with ${child.exitCode}: ${readFileSync(logFile, "utf8").slice(-2000)}`,
      );
    const answer = await fetch(`http://127.0.0.1:${port}/version`).catch(() => undefined);
    if (answer?.ok === true) return;
    await setTimeout(200);
  }
  throw new Error(`VS Code's server did not answer within a minute; its log is ${logFile}.`);
}

function finished(child: ChildProcess): Promise<void> {
  let said = "";
  child.stdout?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (status) =>
      status === 0 ? resolve() : reject(new Error(`It ended with ${status}: ${said}`)),
    );
  });
}

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === "object" && address !== null
          ? resolve(address.port)
          : reject(new Error("No port.")),
      );
    });
  });
}
