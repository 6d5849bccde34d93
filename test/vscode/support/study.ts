/** The setup of the tests in VS Code: a user's folder, the server that has it open, and a browser. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, BrowserContext } from "playwright-core";
import type { RunRecord } from "../../../src/protocol/run";
import { installVscode, versions } from "./installVscode";
import { pseudoLanguage, writePseudoLanguage } from "./pseudoLanguage";
import { type Server, startServer } from "./server";
import { launchBrowser, Window } from "./window";

/** LATHE_VSCODE=lowest selects only the lowest version that the manifest allows, `current` only the newest. */
const chosen = process.env["LATHE_VSCODE"];
const version = chosen === "lowest" ? versions.lowest : versions.current;

/** Tests without user interaction run in both versions, unless one is selected. */
export const versionsUnderTest = chosen === undefined ? [versions.lowest, versions.current] : [version];

export interface StudyOptions {
  /** The packed extension, as users have it, instead of the checkout. */
  readonly installed?: boolean;
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly workspaceTrust?: boolean;
  /** Shows the installed extension in a language that is made of its English texts. */
  readonly pseudoLanguage?: boolean;
}

export class Study {
  private constructor(
    private readonly scratch: string,
    readonly folder: string,
    readonly server: Server,
    private readonly browser: Browser,
    private readonly context: BrowserContext,
    private readonly installed: boolean,
  ) {}

  static async open(options: StudyOptions = {}): Promise<Study> {
    const { installed = false, pseudoLanguage: isPseudo = false, ...rest } = options;
    const vscode = await installVscode(version);
    const scratch = mkdtempSync(join(tmpdir(), "lathe-vscode-"));
    const folder = join(scratch, "study");
    mkdirSync(folder);
    const server = await startServer(vscode, {
      ...rest,
      driver: !installed,
      install: installed ? [packedExtension()] : [],
      environment: { LATHE_STATE_DIR: join(scratch, "state"), ORT_DISABLE_TELEMETRY: "1" },
    });
    const browser = await launchBrowser(server.home);
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    if (isPseudo) {
      writePseudoLanguage(join(server.home, "extensions"));
      // As a language pack would set it.
      await context.addInitScript(`globalThis._VSCODE_NLS_LANGUAGE = "${pseudoLanguage}";`);
    }
    return new Study(scratch, folder, server, browser, context, installed);
  }

  window(): Promise<Window> {
    const extension = this.installed ? {} : { extension: resolve(".") };
    return Window.open(this.context, this.server, { folder: this.folder, ...extension });
  }

  /** The records of all runs, oldest first. */
  runs(): readonly RunRecord[] {
    const runs = join(this.folder, ".lathe/runs");
    return names(runs)
      .filter((id) => existsSync(join(runs, id, "run.json"))) // A run that is being created has none yet.
      .map((id) => JSON.parse(readFileSync(join(runs, id, "run.json"), "utf8")) as RunRecord)
      .sort((a, b) => a.createdAt.localeCompare(b.createdAt));
  }

  /** The lines of a run's history that have a training loss. */
  losses(id: string): number {
    const text = readFileSync(join(this.folder, ".lathe/runs", id, "metrics.jsonl"), "utf8");
    return text.split("\n").filter((line) => line.includes('"train/loss"')).length;
  }

  /** Runs continue without a window, so the tests end them explicitly. */
  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    for (const { process: owner, state } of this.runs())
      if (owner !== undefined && ["running", "queued", "paused"].includes(state)) end(owner.pid);
    rmSync(this.scratch, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** What `Study.open` packs and installs. */
export const packedExtensionPath = resolve(".cache/lathe-under-test.vsix");

/** Packs the contents of dist/ and returns the file. */
function packedExtension(): string {
  const file = packedExtensionPath;
  const arguments_ = ["scripts/package.ts", "--no-build", "--out", file];
  execFileSync(process.execPath, ["node_modules/tsx/dist/cli.mjs", ...arguments_], { stdio: "pipe" });
  return file;
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== "ESRCH") throw thrown;
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw thrown;
  }
}
