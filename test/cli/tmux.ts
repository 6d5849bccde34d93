/** A real terminal for a command: a tmux server of its own, whose screen is read back as a person would see it. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

/** Why there is no terminal to test with; undefined if there is one. */
export function findMissingTmux(): string | undefined {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "skipped: tmux, which shows the command line in a real terminal, is not installed";
  }
}

/** The shell outlives Ctrl-C, which is for the command. */
const writeStatus = `trap : INT; "$@"; echo $? > "$0"`;

export interface TmuxOptions {
  readonly columns: number;
  readonly rows?: number;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
}

export class Tmux implements Disposable {
  private readonly folder = mkdtempSync(join(tmpdir(), "lathe-tmux-"));
  private readonly socket = join(this.folder, "socket");
  private readonly config = join(this.folder, "tmux.conf");
  private readonly status = join(this.folder, "status");

  constructor(command: readonly string[], { columns, rows = 24, cwd, env }: TmuxOptions) {
    // The pane stays when its command has ended, with all that has scrolled away.
    writeFileSync(
      this.config,
      "set -g remain-on-exit on\nset -g remain-on-exit-format ''\nset -g history-limit 20000\nset -g status off\nset -g default-terminal screen-256color\n",
    );
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    this.call(
      ["new-session", "-d", "-x", String(columns), "-y", String(rows), "-c", cwd],
      // tmux does not always learn the status of a command, so the shell writes it down.
      ["env", "-u", "FORCE_COLOR", ...settings, "sh", "-c", writeStatus, this.status, ...command],
    );
  }

  private call(args: readonly string[], command: readonly string[] = []): string {
    return execFileSync("tmux", ["-S", this.socket, "-f", this.config, ...args, ...command], {
      encoding: "utf8",
      env: { ...process.env, TMUX: "", LC_ALL: "C.UTF-8" },
    });
  }

  /** All lines so far, those that have scrolled away too; no line is longer than the terminal is wide. */
  get lines(): string[] {
    return this.call(["capture-pane", "-p", "-S", "-"]).trimEnd().split("\n");
  }

  get text(): string {
    return this.lines.join("\n");
  }

  resize(columns: number, rows = 24): void {
    this.call(["resize-window", "-x", String(columns), "-y", String(rows)]);
  }

  press(key: string): void {
    this.call(["send-keys", key]);
  }

  /** The exit status of the command, once it has ended. */
  async ended(): Promise<number> {
    while (!existsSync(this.status) || readFileSync(this.status, "utf8") === "") await setTimeout(50);
    return Number(readFileSync(this.status, "utf8"));
  }

  [Symbol.dispose](): void {
    try {
      this.call(["kill-server"]);
    } catch {
      // It has ended by itself.
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
