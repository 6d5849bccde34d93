/** What the benchmarks of the workbench measure with, and how they print it. Nothing is asserted anywhere. */
import { readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";

export const print = (what: string, figure: string) => console.log(`${what.padEnd(64)} ${figure}`);

/** On a machine that is shared, a time means little without it. */
export function printLoad(): void {
  const [minute = NaN] = loadavg();
  print("load of this machine, mean of the last minute", minute.toFixed(1));
}

/** Prints how long the work took, and beside it what the processes had of the processor meanwhile. */
export async function timed<T>(
  what: string,
  work: () => Promise<T>,
  pids: () => readonly number[],
): Promise<T> {
  const before = processor(pids());
  const begun = performance.now();
  const result = await work();
  const wall = performance.now() - begun;
  print(what, `${wall.toFixed(0)} ms, ${(processor(pids()) - before).toFixed(0)} ms of processor`);
  return result;
}

/** Milliseconds of processor time so far, more reliable than a clock on a machine with other load. */
export function processor(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = statOf(pid);
    // User and system; the kernel reports hundredths of a second.
    return fields === undefined ? sum : sum + (Number(fields[11]) + Number(fields[12])) * 10;
  }, 0);
}

/** This process's children and theirs, whose command line holds the text. */
export function descendants(text: string): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc").filter((each) => /^\d+$/.test(each)))
    parents.set(Number(name), Number(statOf(Number(name))?.[1]));
  const isOurs = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === process.pid || isOurs(parents.get(pid)));
  return [...parents.keys()].filter((pid) => isOurs(pid) && commandOf(pid).includes(text));
}

/** Fields of /proc/PID/stat from the third on: the second, in brackets, may hold anything. */
function statOf(pid: number): readonly string[] | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return stat === "" ? undefined : stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

function commandOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`);
}

/**
 * Mebibytes that a process has now, has had at most, and has alone: without the pages of programs and libraries, which all
 * processes of VS Code share. NaN if the system does not report it.
 */
export function memoryOf(pid: number): { readonly now: number; readonly most: number; readonly own: number } {
  const status = read(`/proc/${pid}/status`);
  const mebibytes = (key: string) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: mebibytes("VmRSS"), most: mebibytes("VmHWM"), own: mebibytes("RssAnon") };
}

export function printMemory(what: string, pid: number): void {
  const { now, most } = memoryOf(pid);
  print(
    what,
    Number.isNaN(now)
      ? "not reported by this system"
      : `${now.toFixed(0)} MiB, at most ${most.toFixed(0)} MiB`,
  );
}

/** Empty where there is no such file, as of a process that has ended, or on another system. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
