/** Distinguishes a living process from a later one with the same number, by number, start time and machine. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { promisify } from "node:util";

export interface ProcessIdentity {
  readonly pid: number;
  /** The system's own text for the start time: equal texts mean the same process. */
  readonly startedAt: string;
  readonly host: string;
}

const execute = promisify(execFile);

/** The boot id makes tick counts comparable; a sandbox without it still has the ticks. */
async function readBootId(): Promise<string> {
  return readFile("/proc/sys/kernel/random/boot_id", "utf8").then(
    (text) => text.trim(),
    () => "",
  );
}

async function readStartTimeOnLinux(pid: number): Promise<string | undefined> {
  let stat: string;
  try {
    stat = await readFile(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses and may contain anything, so fields are counted after its
  // end.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const dead = fields[0] === "Z" || fields[0] === "X";
  return dead ? undefined : `${await readBootId()}/${fields[19] ?? ""}`;
}

async function queryStartTime(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const env = { ...process.env, LC_ALL: "C", TZ: "UTC" };
    const { stdout } = await execute(program, args, { env, timeout: 10_000, windowsHide: true });
    return stdout.trim() === "" ? undefined : stdout.trim();
  } catch {
    return undefined; // Both programs exit with an error if there is no such process.
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function getStartTime(pid: number): Promise<string | undefined> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (process.platform === "linux") return readStartTimeOnLinux(pid);
  if (!exists(pid)) return undefined;
  if (process.platform === "win32") {
    const query = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`;
    return queryStartTime("powershell.exe", ["-NoProfile", "-NonInteractive", "-Command", query]);
  }
  return queryStartTime("ps", ["-o", "lstart=", "-p", String(pid)]);
}

export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const startedAt = await getStartTime(pid);
  return startedAt === undefined ? undefined : { pid, startedAt, host: hostname() };
}

let cachedIdentity: Promise<ProcessIdentity> | undefined;

export function getOwnIdentity(): Promise<ProcessIdentity> {
  // Without a start time the identity is weaker: the number alone.
  cachedIdentity ??= identify(process.pid).then(
    (identity) => identity ?? { pid: process.pid, startedAt: "", host: hostname() },
  );
  return cachedIdentity;
}

/** A cheap check: true is certain, false is not. */
export function isSurelyGone({ pid, host }: ProcessIdentity): boolean {
  return host === hostname() && !exists(pid);
}

/** `elsewhere`: on another machine that shares the folder, where the process can't be checked. */
export type Liveness = "alive" | "gone" | "elsewhere";

export async function checkLiveness(identity: ProcessIdentity): Promise<Liveness> {
  if (identity.host !== hostname()) return "elsewhere";
  if (identity.startedAt === "") return exists(identity.pid) ? "alive" : "gone";
  return (await getStartTime(identity.pid)) === identity.startedAt ? "alive" : "gone";
}
